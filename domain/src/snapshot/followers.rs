//! Those who keep calls open: they are told of each revision, and say when nothing is open any more that it does not allow. What a
//! gateway confirms is what all of its followers have settled.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use entities::{
    enums::GatewaySubject,
    id::{ClientId, ProductId, TeamId},
};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use uuid::Uuid;

/// What a revision touched.
pub(super) type Change = (i64, GatewaySubject, Uuid);

/// Whose a call was that a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    pub client: ClientId,
    pub product: ProductId,
    pub team: TeamId,
}

pub(super) struct Followers {
    revision: watch::Sender<i64>,
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Default)]
struct State {
    count: u64,
    /// Each follower's last settled revision.
    settled: HashMap<u64, i64>,
    ended: Vec<Ended>,
}

/// One of those who keep calls open; nobody waits for it once it is dropped.
pub struct Follower {
    of: Arc<Followers>,
    id: u64,
    revisions: watch::Receiver<i64>,
}

impl Followers {
    pub fn new() -> Self {
        Self { revision: watch::Sender::new(-1), state: Mutex::default(), settled: Notify::new() }
    }

    pub fn add(self: &Arc<Self>) -> Follower {
        let mut state = self.state();
        let mut revisions = self.revision.subscribe();
        let at = *revisions.borrow_and_update();
        state.count += 1;
        let id = state.count;
        state.settled.insert(id, at);
        Follower { of: Arc::clone(self), id, revisions }
    }

    /// Decisions follow this revision from now on.
    pub fn tell(&self, revision: i64) {
        self.revision.send_if_modified(|at| std::mem::replace(at, revision) != revision);
    }

    /// Waits for a while until all have settled `revision`: the one that all have, and whose calls were ended meanwhile.
    pub async fn settled(&self, revision: i64, patience: Duration) -> (i64, Vec<Ended>) {
        let all = async {
            loop {
                let mut settled = pin!(self.settled.notified());
                settled.as_mut().enable();
                if self.state().least(revision) >= revision {
                    return;
                }
                settled.await;
            }
        };
        // Else those who are late are waited for the next time.
        let _ = timeout(patience, all).await;
        let mut state = self.state();
        (state.least(revision), std::mem::take(&mut state.ended))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn least(&self, otherwise: i64) -> i64 {
        self.settled.values().copied().min().unwrap_or(otherwise).min(otherwise)
    }
}

impl Follower {
    /// The revision that was told last.
    pub fn revision(&self) -> i64 {
        *self.revisions.borrow()
    }

    /// Waits for a later revision than the one seen last; `None`: there are no more.
    pub async fn next(&mut self) -> Option<i64> {
        self.revisions.changed().await.ok()?;
        Some(*self.revisions.borrow_and_update())
    }

    /// Nothing is open any more that this revision does not allow; `ended` was until it came.
    pub fn settle(&self, revision: i64, ended: Vec<Ended>) {
        let mut state = self.of.state();
        state.settled.insert(self.id, revision);
        state.ended.extend(ended);
        drop(state);
        self.of.settled.notify_waiters();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.of.state().settled.remove(&self.id);
        self.of.settled.notify_waiters();
    }
}

/// How many ended by which change, where `changes` are in the order of their revisions. Of several revisions that touched a call,
/// each counts it, by the subject that is nearest to it: nobody can tell which of them it was.
pub(super) fn by_change(changes: &[Change], ended: &[Ended]) -> HashMap<Change, i32> {
    let mut counted = HashMap::new();
    for call in ended {
        for revision in changes.chunk_by(|(a, ..), (b, ..)| a == b) {
            let nearest =
                revision.iter().filter_map(|change| Some((distance(change, call)?, change))).min_by_key(|(far, _)| *far);
            if let Some((_, change)) = nearest {
                *counted.entry(*change).or_default() += 1;
            }
        }
    }
    counted
}

fn distance((_, subject, id): &Change, call: &Ended) -> Option<u8> {
    let far = |mine: Uuid, far: u8| (*id == mine).then_some(far);
    match subject {
        GatewaySubject::Client => far(call.client.0, 0),
        GatewaySubject::Product => far(call.product.0, 1),
        GatewaySubject::Team => far(call.team.0, 2),
        GatewaySubject::SigningKeys => Some(3),
        // They limit calls, and let none in.
        GatewaySubject::Plan | GatewaySubject::Policy | GatewaySubject::Portal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(client: u128, product: u128) -> Ended {
        let id = Uuid::from_u128;
        Ended { client: ClientId(id(client)), product: ProductId(id(product)), team: TeamId(id(9)) }
    }

    #[test]
    fn a_call_counts_once_for_each_revision_that_touched_it() {
        let change = |revision, subject, id| (revision, subject, Uuid::from_u128(id));
        let changes = [
            change(1, GatewaySubject::Client, 7),
            change(2, GatewaySubject::Client, 1),
            change(2, GatewaySubject::Product, 5),
            change(3, GatewaySubject::Team, 9),
            change(3, GatewaySubject::Plan, 1),
        ];
        let counted = by_change(&changes, &[call(1, 5), call(1, 6), call(2, 5), call(3, 6)]);
        let mut counted: Vec<_> = counted.into_iter().map(|((revision, subject, _), n)| (revision, subject, n)).collect();
        counted.sort_by_key(|(revision, _, n)| (*revision, *n));
        let expected = [(2, GatewaySubject::Product, 1), (2, GatewaySubject::Client, 2), (3, GatewaySubject::Team, 4)];
        assert_eq!(counted, expected);
    }

    #[tokio::test]
    async fn what_is_confirmed_is_what_all_have_settled() {
        let followers = Arc::new(Followers::new());
        followers.tell(4);
        let (mut one, two) = (followers.add(), followers.add());
        assert_eq!((one.revision(), followers.settled(4, Duration::ZERO).await), (4, (4, vec![])));
        followers.tell(6);
        assert_eq!(one.next().await, Some(6));
        one.settle(6, vec![call(1, 2)]);
        assert_eq!(followers.settled(6, Duration::ZERO).await, (4, vec![call(1, 2)]));
        drop(two);
        assert_eq!(followers.settled(6, Duration::ZERO).await, (6, vec![]));
        drop(one);
        assert_eq!(followers.settled(7, Duration::ZERO).await, (7, vec![]));
    }
}
