//! A sliding window over calls: never more than the limit in any window of its length.
//!
//! The window is cut into slots; a slot counts in full until all of it has left the window, so the limit is kept strictly, at
//! the price of one slot's length (a fiftieth of the window) of patience.

use chrono::{DateTime, Utc};
use entities::enums::RateWindow;

use super::limits::{Left, RateLimit};

const SLOTS: i64 = 50;
/// One more than fit: the oldest is still partly inside.
const RING: usize = SLOTS as usize + 1;

/// A window's length in seconds.
pub fn seconds(window: RateWindow) -> u32 {
    match window {
        RateWindow::Second => 1,
        RateWindow::Minute => 60,
        RateWindow::FiveMinutes => 300,
        RateWindow::Hour => 3_600,
    }
}

fn slot_micros(window: RateWindow) -> i64 {
    i64::from(seconds(window)) * 1_000_000 / SLOTS
}

/// The calls of the last window of one client in one environment.
#[derive(Debug, Clone)]
pub struct SlidingWindow {
    window: RateWindow,
    /// The slot that calls are counted in now, as a number since 1970.
    current: i64,
    total: u32,
    ring: Box<[u32; RING]>,
}

impl SlidingWindow {
    pub fn new(window: RateWindow, now: DateTime<Utc>) -> Self {
        Self { window, current: now.timestamp_micros() / slot_micros(window), total: 0, ring: Box::new([0; RING]) }
    }

    /// Whether one more call fits. Counts nothing; [`Self::count`] does. Otherwise the seconds until one fits.
    pub fn fits(&mut self, limit: RateLimit, now: DateTime<Utc>) -> Result<(), u64> {
        self.follow(limit.window, now);
        if self.total < limit.requests { Ok(()) } else { Err(self.wait(limit, now)) }
    }

    /// Counts a call that [`Self::fits`] has found room for.
    pub fn count(&mut self) {
        self.total += 1;
        *self.slot(self.current) += 1;
    }

    /// What is left at `now`.
    pub fn left(&mut self, limit: RateLimit, now: DateTime<Utc>) -> Left {
        self.follow(limit.window, now);
        let oldest = (self.current - SLOTS..=self.current).find(|slot| *self.slot(*slot) > 0);
        let reset = oldest.map_or(u64::from(seconds(self.window)), |slot| self.until_gone(slot, now));
        Left {
            limit: limit.requests.into(),
            window: seconds(self.window).into(),
            remaining: limit.requests.saturating_sub(self.total).into(),
            reset,
        }
    }

    /// Whether nothing counts any more, so that forgetting it changes nothing.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        now.timestamp_micros() / slot_micros(self.window) > self.current + SLOTS
    }

    /// Brings the window up to `now`, and to another length where the limit has one.
    fn follow(&mut self, window: RateWindow, now: DateTime<Utc>) {
        if window != self.window {
            // What was counted stays counted, as if it had happened just now: never more than the new limit allows.
            let counted = self.total;
            *self = Self::new(window, now);
            self.put(counted);
            return;
        }
        let slot = now.timestamp_micros() / slot_micros(window);
        if slot > self.current {
            for left in self.current + 1..=slot.min(self.current + RING as i64) {
                self.total -= std::mem::take(self.slot(left));
            }
            self.current = slot;
        } else if slot < self.current - SLOTS {
            // The clock went back by more than the window: start there with what was counted. Smaller steps back just wait.
            let counted = self.total;
            *self = Self::new(window, now);
            self.put(counted);
        }
    }

    fn put(&mut self, calls: u32) {
        self.total = calls;
        *self.slot(self.current) = calls;
    }

    fn slot(&mut self, number: i64) -> &mut u32 {
        &mut self.ring[usize::try_from(number.rem_euclid(RING as i64)).unwrap_or(0)]
    }

    /// Seconds until enough slots have left for one more call.
    fn wait(&mut self, limit: RateLimit, now: DateTime<Utc>) -> u64 {
        let mut total = self.total;
        for slot in self.current - SLOTS..=self.current {
            total -= *self.slot(slot);
            if total < limit.requests {
                return self.until_gone(slot, now);
            }
        }
        seconds(self.window).into()
    }

    fn until_gone(&self, slot: i64, now: DateTime<Utc>) -> u64 {
        let gone = (slot + SLOTS + 1) * slot_micros(self.window);
        let micros = u64::try_from(gone - now.timestamp_micros()).unwrap_or(0);
        micros.div_ceil(1_000_000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use chrono::TimeDelta;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn start() -> DateTime<Utc> {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn taken(window: &mut SlidingWindow, limit: RateLimit, now: DateTime<Utc>) -> bool {
        let fits = window.fits(limit, now).is_ok();
        if fits {
            window.count();
        }
        fits
    }

    #[test]
    fn no_window_of_any_place_holds_more_than_the_limit() {
        let mut random = StdRng::seed_from_u64(11);
        for length in [RateWindow::Second, RateWindow::Minute, RateWindow::FiveMinutes, RateWindow::Hour] {
            for requests in [1, 3, 40, 1_000] {
                let limit = RateLimit { requests, window: length };
                let span = TimeDelta::seconds(seconds(length).into());
                let (mut window, mut now) = (SlidingWindow::new(length, start()), start());
                let mut passed: VecDeque<DateTime<Utc>> = VecDeque::new();
                let mut total = 0u64;
                let mean = i64::from(seconds(length)) * 1_000_000 / i64::from(requests);
                for _ in 0..8_000 {
                    now += TimeDelta::microseconds(random.random_range(0..=mean));
                    if random.random_range(0..200) == 0 {
                        now += TimeDelta::microseconds(random.random_range(0..=mean * i64::from(requests)));
                    }
                    if taken(&mut window, limit, now) {
                        total += 1;
                        passed.push_back(now);
                    }
                    while passed.front().is_some_and(|first| *first + span <= now) {
                        passed.pop_front();
                    }
                    assert!(passed.len() <= requests as usize, "{length:?} {requests} at {now}");
                }
                // It is strict, not stingy. Most calls come when there is room; a limit of one also waits for the next caller.
                let allowed = (now - start()).num_microseconds().unwrap() / mean;
                let least = if requests < 10 { 0.6 } else { 0.8 };
                assert!(total as f64 > least * (allowed as f64).min(6_000.0), "{length:?} {requests}: {total} of {allowed}");
            }
        }
    }

    #[test]
    fn retry_after_is_when_the_next_call_fits_and_not_before() {
        let limit = RateLimit { requests: 5, window: RateWindow::Minute };
        let mut window = SlidingWindow::new(limit.window, start());
        assert!((0..5).all(|i| taken(&mut window, limit, start() + TimeDelta::seconds(i))));
        let now = start() + TimeDelta::seconds(10);
        let wait = window.fits(limit, now).unwrap_err();
        assert_eq!(wait, 52);
        assert!(window.clone().fits(limit, now + TimeDelta::seconds(wait as i64 - 2)).is_err());
        assert!(window.clone().fits(limit, now + TimeDelta::seconds(wait as i64)).is_ok());
        let left = window.left(limit, now);
        assert_eq!((left.limit, left.window, left.remaining, left.reset), (5, 60, 0, 52));
    }

    #[test]
    fn a_clock_that_goes_back_grants_nothing_and_heals_within_a_window() {
        let limit = RateLimit { requests: 5, window: RateWindow::Second };
        let mut window = SlidingWindow::new(limit.window, start());
        assert!((0..5).all(|_| taken(&mut window, limit, start())));
        for back in [1, 500, 900, 60_000, 3_600_000] {
            assert!(!taken(&mut window, limit, start() - TimeDelta::milliseconds(back)), "{back} ms back");
        }
        let healed = start() - TimeDelta::milliseconds(3_600_000) + TimeDelta::milliseconds(1_100);
        assert!((0..5).all(|_| taken(&mut window, limit, healed)) && !taken(&mut window, limit, healed));
    }

    #[test]
    fn a_changed_limit_counts_what_was_called_before() {
        let (few, many) =
            (RateLimit { requests: 2, window: RateWindow::Minute }, RateLimit { requests: 9, window: RateWindow::Hour });
        let mut window = SlidingWindow::new(few.window, start());
        assert!((0..2).all(|_| taken(&mut window, few, start())) && !taken(&mut window, few, start()));
        assert!((0..7).all(|_| taken(&mut window, many, start())) && !taken(&mut window, many, start()));
        assert!(!taken(&mut window, few, start() + TimeDelta::seconds(50)));
        let none = RateLimit { requests: 0, ..few };
        assert!(!taken(&mut SlidingWindow::new(none.window, start()), none, start()));
    }
}
