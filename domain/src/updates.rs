//! What has changed, for those who watch: said when its transaction has committed, to this process and, over PostgreSQL, to the
//! others. Nothing keeps it: who was not there reads anew.

use std::str::FromStr;

use entities::id::{NotificationId, QueueItemId, SubscriptionId, UserId};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use tokio::sync::broadcast;
use uuid::Uuid;

/// The channel that PostgreSQL's processes tell each other on.
pub(crate) const CHANNEL: &str = "portico_updates";
/// Updates that a watcher may be behind before it has to read anew.
const BEHIND: usize = 16_384;
const BEHIND_PERSONS: usize = 256;
/// Updates of one message: PostgreSQL takes 8,000 bytes, and one has 66 at most.
const TOGETHER: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Update {
    /// The subscription, or something that it shows.
    Subscription(SubscriptionId),
    /// Somebody was told something.
    Notification(UserId, NotificationId),
    /// Something waits for a decision, was taken, or waits no longer.
    QueueItem(QueueItemId),
    /// What somebody is signed in by may have ended.
    Person(UserId),
    /// What other processes said for a while was not heard.
    Missed,
}

/// Those who watch in this process.
#[derive(Debug)]
pub struct Updates {
    watchers: broadcast::Sender<Update>,
    /// Apart: there are many who look at this alone, and it is seldom said. `None`: it may be anybody.
    persons: broadcast::Sender<Option<UserId>>,
    /// Tells this process' messages from others'.
    process: Uuid,
}

impl Updates {
    pub fn new(process: Uuid) -> Self {
        Self { watchers: broadcast::Sender::new(BEHIND), persons: broadcast::Sender::new(BEHIND_PERSONS), process }
    }

    /// What is said from now on.
    pub fn watch(&self) -> broadcast::Receiver<Update> {
        self.watchers.subscribe()
    }

    /// What is said of persons from now on.
    pub fn watch_persons(&self) -> Persons {
        Persons(self.persons.subscribe())
    }

    /// How many watch in this process.
    pub fn watchers(&self) -> usize {
        self.watchers.receiver_count()
    }

    pub(crate) fn say(&self, updates: &[Update]) {
        for update in updates {
            // Nobody need be watching.
            let _ = match *update {
                Update::Person(user) => self.persons.send(Some(user)).ok(),
                Update::Missed => self.persons.send(None).ok().max(self.watchers.send(Update::Missed).ok()),
                other => self.watchers.send(other).ok(),
            };
        }
    }

    /// Has PostgreSQL tell the other processes when the transaction commits.
    pub(crate) async fn tell_others(&self, db: &impl ConnectionTrait, updates: &[Update]) -> Result<(), DbErr> {
        for some in updates.chunks(TOGETHER) {
            let words = some.iter().map(Update::word).collect::<Vec<_>>().join(" ");
            let message = format!("{} {words}", self.process);
            let notify = "SELECT pg_notify($1, $2)";
            let values = [CHANNEL.into(), message.into()];
            db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, notify, values)).await?;
        }
        Ok(())
    }

    pub(crate) fn heard(&self, message: &str) {
        let mut words = message.split(' ');
        if words.next().is_some_and(|process| process != self.process.to_string()) {
            self.say(&words.filter_map(Update::read).collect::<Vec<_>>());
        }
    }
}

/// Waits for what is said of persons.
#[derive(Debug)]
pub struct Persons(broadcast::Receiver<Option<UserId>>);

impl Persons {
    /// Returns when what this person is signed in by may have ended.
    pub async fn changed(&mut self, person: UserId) {
        use broadcast::error::RecvError;
        loop {
            match self.0.recv().await {
                Ok(Some(other)) if other != person => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}

impl Update {
    fn word(&self) -> String {
        match self {
            Self::Subscription(id) => id.to_string(),
            Self::Notification(user, id) => format!("{user}/{id}"),
            Self::QueueItem(id) => id.to_string(),
            Self::Person(id) => id.to_string(),
            // For this process alone: others read it as nothing.
            Self::Missed => "missed".to_owned(),
        }
    }

    /// `None` for what another version says and this one does not know.
    fn read(word: &str) -> Option<Self> {
        if let Some((user, id)) = word.split_once('/') {
            return Some(Self::Notification(user.parse().ok()?, id.parse().ok()?));
        }
        let subscription = SubscriptionId::from_str(word).map(Self::Subscription);
        let item = || QueueItemId::from_str(word).map(Self::QueueItem);
        subscription.or_else(|_| item()).or_else(|_| UserId::from_str(word).map(Self::Person)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_read_as_they_were_said_and_strange_ones_passed_over() {
        let (ours, theirs) = (Updates::new(Uuid::from_u128(1)), Updates::new(Uuid::from_u128(2)));
        let id = Uuid::from_u128(u128::MAX);
        let said = [
            Update::Subscription(SubscriptionId(id)),
            Update::Notification(UserId(id), NotificationId(id)),
            Update::QueueItem(QueueItemId(id)),
        ];
        let words = said.map(|update| update.word());
        assert!(words.iter().all(|word| word.len() <= 65), "{words:?}");
        let mut watcher = ours.watch();
        let message = |process: Uuid| format!("{process} {} later_01h2xcejqtf2nbrexx3vqjhp41 ", words.join(" "));
        ours.heard(&message(ours.process));
        assert!(watcher.try_recv().is_err(), "our own were said at once");
        ours.heard(&message(theirs.process));
        ours.heard("");
        let heard: Vec<_> = std::iter::from_fn(|| watcher.try_recv().ok()).collect();
        assert_eq!(heard, said);
        let person = Update::Person(UserId(id));
        assert_eq!(Update::read(&person.word()), Some(person));
    }
}
