//! How much strangers may ask for, counted by where they come from, in this process: requests a minute at a time. Whoever signs in
//! is counted no more, so that nobody is locked out by others who share their address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{DomainError, Result, rules::source::Source};

const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are told apart in a window; whoever comes beyond them is let in.
const MOST_SOURCES: usize = 100_000;

#[derive(Debug)]
pub struct Strangers {
    /// Requests of one source within [`WINDOW`]; 0: any number.
    most: u32,
    counted: Mutex<Counted>,
}

#[derive(Debug)]
struct Counted {
    since: Instant,
    by: HashMap<Source, u32>,
}

impl Strangers {
    pub fn new(most: u32) -> Self {
        let counted = Mutex::new(Counted { since: Instant::now(), by: HashMap::new() });
        Self { most, counted }
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
        let open = Strangers::new(0);
        assert!((0..100).all(|_| open.admit_at("192.0.2.1".parse().unwrap(), begun).is_ok()));
    }
}
