//! The gateway through its front door: a real listener, a real upstream, bytes on a wire.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it expects")]

mod authorize;
mod bodies;
mod calls;
mod catalog;
mod cors;
mod faults;
mod framing;
mod headers;
mod limits;
mod loops;
mod messages;
mod mock;
mod open;
mod paths;
mod places;
mod raw;
mod router;
mod slow;
mod streaming;
mod unread;
mod upgrades;
mod upstream;

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use api::gateway::{self, Gateway, Settings};
use domain::{Domain, limits::Keeper, snapshot::Live};
use entities::request_log;
use raw::{Raw, Reply};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use catalog::{Behind, Catalog, Files, PlanLimits};

/// A gateway before an upstream, and what it serves.
pub struct Front {
    gateway: Gateway,
    pub address: SocketAddr,
    pub ctx: Domain,
    pub catalog: Catalog,
    /// Of another client with the same limits.
    pub other_key: String,
    _files: Files,
}

impl Front {
    pub async fn before(upstream: SocketAddr) -> Self {
        Self::with(Behind::at(upstream), PlanLimits::default(), |_| {}).await
    }

    pub async fn with(behind: Behind, limits: PlanLimits, set: impl FnOnce(&mut Settings)) -> Self {
        let (ctx, files) = catalog::database().await;
        let catalog = Catalog::fill(&ctx, behind, limits).await;
        let other_key = catalog.another_key(&ctx).await;
        let live = Live::start(ctx.clone()).await.unwrap();
        let keeper = Arc::new(Keeper::start(ctx.clone()));
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        settings.threads = NonZeroUsize::new(2).unwrap();
        settings.log.delay = Duration::from_millis(20);
        set(&mut settings);
        let gateway = gateway::start(ctx.clone(), live, keeper, settings).unwrap();
        Self { address: gateway.address(), gateway, ctx, catalog, other_key, _files: files }
    }

    /// A second gateway on the same database.
    pub async fn another_gateway(&self) -> Gateway {
        let (live, keeper) = (Live::start(self.ctx.clone()).await.unwrap(), Arc::new(Keeper::start(self.ctx.clone())));
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        settings.threads = NonZeroUsize::new(1).unwrap();
        gateway::start(self.ctx.clone(), live, keeper, settings).unwrap()
    }

    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub async fn stop(self) -> Domain {
        let Self { gateway, ctx, _files: files, .. } = self;
        gateway.stop().await;
        // What was written can still be read.
        std::mem::forget(files);
        ctx
    }

    pub async fn connect(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// A request with the key, on a connection of its own.
    pub async fn call(&self, line: &str, fields: &str) -> Reply {
        let key = &self.catalog.key;
        self.ask(&format!("{line} HTTP/1.1\r\nHost: api.example\r\nX-API-Key: {key}\r\n{fields}\r\n")).await
    }

    /// These bytes, on a connection of their own.
    pub async fn ask(&self, bytes: &str) -> Reply {
        let mut raw = self.connect().await;
        raw.send(bytes).await;
        raw.reply_to(bytes.split(' ').next().unwrap()).await.expect("an answer")
    }

    /// The row of a call to a path, once it is there.
    pub async fn logged_where(&self, path: &str) -> request_log::Model {
        for _ in 0..500 {
            let row = request_log::Entity::find().filter(request_log::Column::Path.eq(path)).one(&self.ctx.db).await.unwrap();
            if let Some(row) = row {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} is not in the log");
    }

    /// The row of a call, once it is there.
    pub async fn logged(&self, reply: &Reply) -> request_log::Model {
        let id: entities::id::RequestId = reply.header("x-request-id").unwrap().parse().unwrap();
        for _ in 0..200 {
            let row = request_log::Entity::find().filter(request_log::Column::Id.eq(id.0)).one(&self.ctx.db).await.unwrap();
            if let Some(row) = row {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} is not in the log");
    }
}
