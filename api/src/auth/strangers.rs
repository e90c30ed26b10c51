//! How much strangers may ask for, counted by where they come from, in this process: requests a minute at a time, and
//! connections that stay open. Whoever signs in is counted no more, so that nobody is locked out by others who share their
//! address, and no stranger takes all the connections there are.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{DomainError, Result, rules::source::Source};

const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are told apart in a window; whoever comes beyond them is let in.
const MOST_SOURCES: usize = 100_000;
/// Connections that one source keeps open.
const MOST_SEATS: u32 = 200;

#[derive(Debug)]
pub struct Strangers {
    /// Requests of one source within [`WINDOW`]; 0: any number, and of connections too.
    most: u32,
    counted: Mutex<Counted>,
    seats: Mutex<HashMap<Source, u32>>,
}

/// A connection that stays open, until this is dropped.
#[derive(Debug)]
pub struct Seat {
    of: Arc<Strangers>,
    source: Source,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.of.seats();
        if let Some(taken) = seats.get_mut(&self.source) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.source);
            }
        }
    }
}

#[derive(Debug)]
struct Counted {
    since: Instant,
    by: HashMap<Source, u32>,
}

impl Strangers {
    pub fn new(most: u32) -> Self {
        let counted = Mutex::new(Counted { since: Instant::now(), by: HashMap::new() });
        Self { most, counted, seats: Mutex::default() }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<Source, u32>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a connection that stays open.
    pub fn seat(self: &Arc<Self>, ip: IpAddr) -> Result<Seat> {
        let (source, mut seats) = (Source::of(ip), self.seats());
        let taken = seats.entry(source).or_default();
        if self.most > 0 && *taken >= MOST_SEATS {
            return Err(DomainError::RateLimited { retry_after: WINDOW.as_secs() });
        }
        *taken += 1;
        Ok(Seat { of: Arc::clone(self), source })
    }

    /// Counts a request, or refuses it.
    pub fn admit(&self, ip: IpAddr) -> Result<()> {
        self.admit_at(ip, Instant::now())
    }

    fn admit_at(&self, ip: IpAddr, now: Instant) -> Result<()> {
        if self.most == 0 {
            return Ok(());
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(counted.since) >= WINDOW {
            *counted = Counted { since: now, by: HashMap::new() };
        }
        let (since, source) = (counted.since, Source::of(ip));
        if counted.by.len() >= MOST_SOURCES && !counted.by.contains_key(&source) {
            return Ok(());
        }
        let count = counted.by.entry(source).or_default();
        if *count >= self.most {
            let left = WINDOW.saturating_sub(now.saturating_duration_since(since));
            return Err(DomainError::RateLimited { retry_after: left.as_secs().max(1) });
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_let_in_so_often_a_minute() {
        let strangers = Strangers::new(2);
        let begun = Instant::now();
        let ask = |ip: &str, seconds| {
            let answer = strangers.admit_at(ip.parse().unwrap(), begun + Duration::from_secs(seconds));
            match answer {
                Ok(()) => 0,
                Err(DomainError::RateLimited { retry_after }) => retry_after,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!([ask("192.0.2.1", 0), ask("192.0.2.1", 1)], [0, 0]);
        assert!((47..=50).contains(&ask("192.0.2.1", 10)));
        assert_eq!(ask("192.0.2.2", 10), 0, "somebody else");
        assert_eq!([ask("2001:db8::1", 10), ask("2001:db8::2", 10)], [0, 0]);
        assert!(ask("2001:db8::3", 10) > 0, "one subscriber");
        assert_eq!(ask("2001:db8:0:1::3", 10), 0, "another one");
        assert_eq!(ask("192.0.2.1", 61), 0, "the next minute");
        assert!(strangers.seats().is_empty());
        let open = Strangers::new(0);
        assert!((0..100).all(|_| open.admit_at("192.0.2.1".parse().unwrap(), begun).is_ok()));
    }

    #[test]
    fn a_source_keeps_so_many_connections_open() {
        let strangers = Arc::new(Strangers::new(1));
        let seat = |ip: &str| strangers.seat(ip.parse().unwrap());
        let mut taken: Vec<_> = (0..200).map(|i| seat(&format!("2001:db8::{i:x}")).unwrap()).collect();
        assert!(matches!(seat("2001:db8::ffff"), Err(DomainError::RateLimited { retry_after: 60 })));
        let other = seat("2001:db8:0:1::1").unwrap();
        taken.pop();
        taken.push(seat("2001:db8::ffff").unwrap());
        assert!(seat("2001:db8::1").is_err());
        drop((taken, other));
        assert!(strangers.seats().is_empty());
        let open = Arc::new(Strangers::new(0));
        let many: Result<Vec<_>> = (0..300).map(|_| open.seat("192.0.2.1".parse().unwrap())).collect();
        assert!(many.is_ok());
    }
}
