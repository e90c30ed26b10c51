//! The chain over the audit log. Each row's hash covers the row and the hash before it, under a key that the database does not
//! hold in the open: what is changed, taken out, moved or added shows, and so does which row shows it first.

use entities::{audit_event::Model, enums::ActorKind};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub type Hash = [u8; 32];

/// What the first row of all follows.
pub const START: Mark = Mark { position: 0, hash: [0; 32] };

/// A place in the chain: so many rows were written up to here, and the last of them has this hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub position: i64,
    pub hash: Hash,
}

/// What a mark is kept for; one is not taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Where the log ends: rows that are cut off its end are missed.
    Head,
    /// Where the log begins since retention took what was before.
    Anchor,
}

/// What is wrong with the log, at the first place where something is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("event {0} is not what was written, or not in its place")]
    Changed(i64),
    /// From the one to the other.
    #[error("{}", missing(*.0, *.1))]
    Missing(i64, i64),
    #[error("an event was added that is in no place of the chain")]
    Added,
    #[error("the end of the log that is kept beside it was changed")]
    Head,
    #[error("the beginning of the log that is kept beside it was changed")]
    Anchor,
    #[error("event {0} has another hash than the one given")]
    Checkpoint(i64),
}

fn missing(from: i64, to: i64) -> String {
    if from == to { format!("event {from} is missing") } else { format!("events {from} to {to} are missing") }
}

/// The key that the chain is made under.
#[derive(Clone)]
pub struct ChainKey(Hmac<Sha256>);

impl ChainKey {
    pub fn new(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Self(Hmac::new_from_slice(key).expect("any key length"))
    }

    /// The mark behind this row, where it follows `before`.
    pub fn after(&self, before: Mark, row: &Model) -> Mark {
        let position = before.position + 1;
        let mut mac = Fields(self.0.clone());
        mac.bytes(b"row");
        mac.bytes(&before.hash);
        mac.bytes(&position.to_be_bytes());
        mac.bytes(row.id.0.as_bytes());
        mac.bytes(&row.at.timestamp_micros().to_be_bytes());
        mac.optional(row.actor_id.as_ref().map(|id| &id.0.as_bytes()[..]));
        mac.bytes(&[kind(row.actor_kind)]);
        mac.bytes(row.action.as_bytes());
        mac.bytes(row.subject_type.as_bytes());
        mac.bytes(row.subject_id.as_bytes());
        mac.optional(row.team_id.as_ref().map(|id| &id.0.as_bytes()[..]));
        for text in [&row.ip, &row.user_agent, &row.request_id] {
            mac.optional(text.as_deref().map(str::as_bytes));
        }
        mac.value(&row.changes);
        Mark { position, hash: mac.0.finalize().into_bytes().into() }
    }

    /// What proves that a mark is ours.
    pub fn seal(&self, kept: Kept, mark: Mark) -> Hash {
        let mut mac = Fields(self.0.clone());
        mac.bytes(match kept {
            Kept::Head => b"head",
            Kept::Anchor => b"anchor",
        });
        mac.bytes(&mark.position.to_be_bytes());
        mac.bytes(&mark.hash);
        mac.0.finalize().into_bytes().into()
    }

    pub fn sealed(&self, kept: Kept, mark: Mark, seal: &[u8]) -> bool {
        self.seal(kept, mark).ct_eq(seal).into()
    }
}

/// For ever: what is written stays readable.
fn kind(kind: ActorKind) -> u8 {
    match kind {
        ActorKind::User => 1,
        ActorKind::Staff => 2,
        ActorKind::System => 3,
        ActorKind::PaymentProvider => 4,
    }
}

/// Every field with its length before it, so that no two rows read alike.
struct Fields(Hmac<Sha256>);

impl Fields {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.0.update(&[u8::from(bytes.is_some())]);
        self.bytes(bytes.unwrap_or_default());
    }

    /// A database may give an object's members in another order than they were written in.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                self.bytes(b"{");
                self.bytes(&(members.len() as u64).to_be_bytes());
                for (name, value) in members {
                    self.bytes(name.as_bytes());
                    self.value(value);
                }
            }
            Value::Array(items) => {
                self.bytes(b"[");
                self.bytes(&(items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            other => self.bytes(other.to_string().as_bytes()),
        }
    }
}

/// Walks rows in the order of their positions, from behind a mark that is known to be right.
pub struct Walk<'a> {
    key: &'a ChainKey,
    at: Mark,
}

impl<'a> Walk<'a> {
    pub fn from(key: &'a ChainKey, mark: Mark) -> Self {
        Self { key, at: mark }
    }

    pub fn at(&self) -> Mark {
        self.at
    }

    pub fn step(&mut self, row: &Model) -> Result<(), Fault> {
        let due = self.at.position + 1;
        let (Some(position), Some(hash)) = (row.position, &row.hash) else { return Err(Fault::Added) };
        if position > due {
            return Err(Fault::Missing(due, position - 1));
        }
        let mark = self.key.after(self.at, row);
        if position != due || !bool::from(mark.hash.ct_eq(hash)) {
            return Err(Fault::Changed(due));
        }
        self.at = mark;
        Ok(())
    }

    /// Whether the walk came to where the log is known to end.
    pub fn end(&self, head: Mark) -> Result<(), Fault> {
        if self.at == head {
            return Ok(());
        }
        Err(if self.at.position < head.position { Fault::Missing(self.at.position + 1, head.position) } else { Fault::Added })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use entities::id::{AuditEventId, TeamId, UserId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn key() -> ChainKey {
        ChainKey::new(b"a key of the tests")
    }

    fn event(n: u128) -> Model {
        Model {
            id: AuditEventId(Uuid::from_u128(n)),
            at: DateTime::UNIX_EPOCH + TimeDelta::seconds(n as i64),
            actor_id: Some(UserId(Uuid::from_u128(7))),
            actor_kind: ActorKind::User,
            action: "member.removed".to_owned(),
            subject_type: "user".to_owned(),
            subject_id: Uuid::from_u128(8),
            team_id: None,
            ip: Some("192.0.2.1".to_owned()),
            user_agent: None,
            request_id: Some("req_1".to_owned()),
            changes: json!({ "access": { "before": ["FULL", 1], "after": null } }),
            position: None,
            hash: None,
        }
    }

    fn log(events: u128) -> (Vec<Model>, Mark) {
        let mut at = START;
        let rows = (1..=events).map(|n| {
            let mut row = event(n);
            at = key().after(at, &row);
            (row.position, row.hash) = (Some(at.position), Some(at.hash.to_vec()));
            row
        });
        (rows.collect(), at)
    }

    fn walk(rows: &[Model], head: Mark) -> Result<(), Fault> {
        let key = key();
        let mut walk = Walk::from(&key, START);
        rows.iter().try_for_each(|row| walk.step(row))?;
        walk.end(head)
    }

    #[test]
    fn every_field_counts() {
        let changes: [fn(&mut Model); 14] = [
            |row| row.id = AuditEventId(Uuid::nil()),
            |row| row.at += TimeDelta::microseconds(1),
            |row| row.actor_id = None,
            |row| row.actor_id = Some(UserId(Uuid::nil())),
            |row| row.actor_kind = ActorKind::System,
            |row| row.action.push('x'),
            |row| row.subject_type = "team".to_owned(),
            |row| row.subject_id = Uuid::nil(),
            |row| row.team_id = Some(TeamId(Uuid::nil())),
            |row| row.ip = None,
            // Neither may a text move to the field beside it.
            |row| (row.ip, row.user_agent) = (row.user_agent.take(), row.ip.take()),
            |row| row.request_id = Some(String::new()),
            |row| row.changes = json!({ "access": { "before": ["FULL", "1"], "after": null } }),
            |row| row.hash = Some(vec![0; 32]),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let (mut rows, head) = log(3);
            change(&mut rows[1]);
            assert_eq!(walk(&rows, head), Err(Fault::Changed(2)), "change {at}");
        }
    }

    #[test]
    fn the_order_of_an_objects_members_does_not() {
        let told = |text: &str| key().after(START, &Model { changes: serde_json::from_str(text).unwrap(), ..event(1) });
        assert_eq!(told(r#"{"a":1,"b":{"c":2,"d":3}}"#), told(r#"{"b":{"d":3,"c":2},"a":1}"#));
        assert_ne!(told(r#"{"a":{"b":1}}"#), told(r#"{"a":["b",1]}"#));
    }

    #[test]
    fn what_is_taken_out_moved_added_or_cut_off_is_named() {
        let (rows, head) = log(5);
        assert_eq!(walk(&rows, head), Ok(()));
        let changed = |change: fn(&mut Vec<Model>)| {
            let mut rows = rows.clone();
            change(&mut rows);
            walk(&rows, head)
        };
        assert_eq!(changed(|rows| drop(rows.remove(2))), Err(Fault::Missing(3, 3)));
        assert_eq!(changed(|rows| drop(rows.drain(..2))), Err(Fault::Missing(1, 2)));
        assert_eq!(changed(|rows| rows.truncate(3)), Err(Fault::Missing(4, 5)));
        assert_eq!(Fault::Missing(3, 3).to_string(), "event 3 is missing");
        assert_eq!(Fault::Missing(4, 5).to_string(), "events 4 to 5 are missing");
        assert_eq!(changed(Vec::clear), Err(Fault::Missing(1, 5)));
        // Two that change places, with their positions and without.
        assert_eq!(changed(|rows| rows.swap(1, 2)), Err(Fault::Missing(2, 2)));
        let swap = |rows: &mut Vec<Model>| {
            rows.swap(1, 2);
            (rows[1].position, rows[2].position) = (Some(2), Some(3));
        };
        assert_eq!(changed(swap), Err(Fault::Changed(2)));
        assert_eq!(changed(|rows| rows.push(event(6))), Err(Fault::Added));
        // Closing the gap needs the key.
        let close = |rows: &mut Vec<Model>| {
            rows.remove(2);
            for (row, position) in rows.iter_mut().zip(1..) {
                row.position = Some(position);
            }
        };
        assert_eq!(changed(close), Err(Fault::Changed(3)));
    }

    #[test]
    fn marks_are_sealed_for_what_they_are_kept_for() {
        let (_, head) = log(2);
        let seal = key().seal(Kept::Head, head);
        assert!(key().sealed(Kept::Head, head, &seal));
        assert!(!key().sealed(Kept::Anchor, head, &seal));
        assert!(!key().sealed(Kept::Head, Mark { position: 1, ..head }, &seal));
        assert!(!ChainKey::new(b"another").sealed(Kept::Head, head, &seal));
        assert!(!key().sealed(Kept::Head, head, &[]));
    }
}
