//! When loaders fetch: once every resolver that can go on has said what it needs and the batches before are in, so that rows
//! side by side share a statement, however long the machine takes to get to them.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::{
    Stream, StreamExt,
    future::{BoxFuture, poll_fn},
    stream::{self, FuturesUnordered},
};

type Batch = BoxFuture<'static, ()>;

/// The batches that one request's resolvers wait for.
#[derive(Clone, Default)]
pub struct Batches(Arc<Mutex<Vec<Batch>>>);

impl Batches {
    /// A batch to start once the resolvers wait.
    pub fn add(&self, batch: Batch) {
        self.lock().push(batch);
    }

    /// Runs resolvers, and whenever they wait, the batches that they asked for.
    pub async fn drive<T>(&self, resolvers: impl Future<Output = T>) -> T {
        let mut resolvers = pin!(resolvers);
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| self.turn(cx, &mut running, |cx| resolvers.as_mut().poll(cx))).await
    }

    /// [`Self::drive`] for the resolvers of a subscription.
    pub fn drive_all<T>(self, mut resolvers: impl Stream<Item = T> + Unpin) -> impl Stream<Item = T> {
        let mut running = FuturesUnordered::new();
        stream::poll_fn(move |cx| self.turn(cx, &mut running, |cx| resolvers.poll_next_unpin(cx)))
    }

    fn turn<T>(
        &self,
        cx: &mut Context<'_>,
        running: &mut FuturesUnordered<Batch>,
        mut resolvers: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let Poll::Ready(done) = resolvers(cx) {
                return Poll::Ready(done);
            }
            // In rounds: what one batch leads to waits for the others, since it may be asked for by them too.
            if running.is_empty() {
                running.extend(self.lock().drain(..));
            }
            let mut fetched = false;
            while let Poll::Ready(Some(())) = running.poll_next_unpin(cx) {
                fetched = true;
            }
            if !fetched {
                return Poll::Pending;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
