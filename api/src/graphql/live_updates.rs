//! What a frontend hears of without asking again, over graphql-transport-ws. Each event is read anew with the watcher's rights.

use async_graphql::{Context, ID, Subscription as LiveObject};
use domain::{
    Actor, Domain, DomainError,
    access::{require_somebody, require_staff},
    read,
    rules::policy::StaffRight,
    updates::Update,
};
use entities::id::SubscriptionId;
use futures_util::{
    Stream,
    stream::{self, BoxStream},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::graphql::{
    notification::Notification,
    request::{OrGraphql, RequestContext, id_of},
    review_queue::QueueItem,
    subscription::Subscription,
};

#[derive(Default)]
pub struct LiveUpdates;

/// An event is told while the connection lasts and not kept: read what is there once the operation runs, and after each
/// reconnection.
#[LiveObject]
impl LiveUpdates {
    /// The subscription, each time that it or something it shows has changed: its status, lanes, credentials, scopes, submissions.
    async fn subscription_changed(
        &self,
        ctx: &Context<'_>,
        id: ID,
    ) -> async_graphql::Result<BoxStream<'static, async_graphql::Result<Subscription>>> {
        let watch = Watch::of(ctx);
        require_somebody(&watch.actor).or_graphql()?;
        let id: SubscriptionId = id_of(&id, "subscription").or_graphql()?;
        let read = async move |watch: &Watch| {
            let row = read::subscriptions::by_id(&watch.domain, &watch.actor, id).await?;
            row.map(Subscription).ok_or(DomainError::NotFound("subscription"))
        };
        read(&watch).await.or_graphql()?;
        Ok(Box::pin(watch.stream(async move |watch| match watch.next().await? {
            // Whoever missed something sees how it is now.
            Heard::Update(Update::Subscription(changed)) if changed != id => Ok(None),
            Heard::Update(Update::Subscription(_)) | Heard::Missed => read(watch).await.map(Some),
            Heard::Update(_) => Ok(None),
        })))
    }
    /// What the viewer is told from now on.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<BoxStream<'static, async_graphql::Result<Notification>>> {
        let watch = Watch::of(ctx);
        let viewer = watch.actor.signed_in().or_graphql()?;
        Ok(Box::pin(watch.stream(async move |watch| match watch.next().await?.or_missed()? {
            Update::Notification(user, id) if user == viewer => {
                Ok(read::notifications::by_id(&watch.domain, viewer, id).await?.map(Notification))
            }
            _ => Ok(None),
        })))
    }
    /// For staff: what waits for a decision from now on, was taken or waits no longer; `state` and `assignee` say which.
    async fn review_queue(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<BoxStream<'static, async_graphql::Result<QueueItem>>> {
        let watch = Watch::of(ctx);
        require_staff(&watch.actor, StaffRight::Read).or_graphql()?;
        Ok(Box::pin(watch.stream(async move |watch| match watch.next().await?.or_missed()? {
            Update::QueueItem(id) => Ok(read::review_queue::by_id(&watch.domain, &watch.actor, id).await?.map(QueueItem)),
            _ => Ok(None),
        })))
    }
}

/// Who watches, from before their rights were looked at: nothing is missed in between.
struct Watch {
    domain: Domain,
    actor: Actor,
    updates: Receiver<Update>,
}

enum Heard {
    Update(Update),
    /// Some were not heard: more came at once than is kept for a watcher, or the database was away.
    Missed,
}

impl Watch {
    fn of(ctx: &Context<'_>) -> Self {
        Self { domain: ctx.op().clone(), actor: ctx.actor().clone(), updates: ctx.op().updates.watch() }
    }

    async fn next(&mut self) -> Result<Heard, DomainError> {
        match self.updates.recv().await {
            Ok(Update::Missed) | Err(RecvError::Lagged(_)) => Ok(Heard::Missed),
            Ok(update) => Ok(Heard::Update(update)),
            Err(RecvError::Closed) => Err(DomainError::Unavailable("the process is stopping".into())),
        }
    }

    /// What `next` makes of updates, without those that it makes nothing of. An error is the last that is told.
    fn stream<T>(
        self,
        next: impl AsyncFnMut(&mut Self) -> Result<Option<T>, DomainError>,
    ) -> impl Stream<Item = async_graphql::Result<T>> {
        stream::unfold(Some((self, next)), async |state| {
            let (mut watch, mut next) = state?;
            loop {
                match next(&mut watch).await {
                    Ok(None) => {}
                    Ok(Some(told)) => return Some((Ok(told), Some((watch, next)))),
                    Err(error) => return Some((Err(error).or_graphql(), None)),
                }
            }
        })
    }
}

impl Heard {
    fn or_missed(self) -> Result<Update, DomainError> {
        match self {
            Self::Update(update) => Ok(update),
            Self::Missed => {
                Err(DomainError::Unavailable("something happened that could not be told: read anew and subscribe again".into()))
            }
        }
    }
}
