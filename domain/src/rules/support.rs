//! Support requests: how many a person may send, and what a request is called.

use chrono::{DateTime, TimeDelta, Utc};

/// What requests are counted over.
pub const WINDOW: TimeDelta = TimeDelta::hours(1);
/// Requests that one person may send within [`WINDOW`].
const MOST: usize = 10;

/// Crockford's base32: no letter that is read as another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Seconds until one more request may be sent; `None`: it may be now. `sent` are the person's requests within [`WINDOW`].
pub fn wait(sent: &[DateTime<Utc>], now: DateTime<Utc>) -> Option<u64> {
    let mut recent: Vec<_> = sent.iter().filter(|at| **at > now - WINDOW).collect();
    recent.sort_unstable();
    // The one with which the window is full has to leave it.
    let last_in_the_way = recent.len().checked_sub(MOST).map(|i| *recent[i])?;
    let left = last_in_the_way + WINDOW - now;
    Some(u64::try_from(left.num_milliseconds()).unwrap_or_default().div_ceil(1000).max(1))
}

/// What people call a request by: `SR-4F7K-9Q2M`, from 40 random bits.
pub fn reference(random: [u8; 5]) -> String {
    let bits = random.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digit = |i: u32| char::from(ALPHABET[(bits >> (35 - 5 * i) & 31) as usize]);
    let (first, second): (String, String) = ((0..4).map(digit).collect(), (4..8).map(digit).collect());
    format!("SR-{first}-{second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_an_hour() {
        let now = DateTime::from_timestamp(1_767_603_600, 0).expect("a time");
        let ago = |minutes: &[i64]| -> Vec<_> { minutes.iter().map(|m| now - TimeDelta::minutes(*m)).collect() };
        for (sent, expected) in [
            (&[][..], None),
            (&[0; 9], None),
            (&[0; 10], Some(3600)),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 50], Some(600)),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 60], None),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 58, 59], Some(120)),
            (&[600; 20], None),
        ] {
            assert_eq!(wait(&ago(sent), now), expected, "{sent:?}");
        }
        let just_in = now - WINDOW + TimeDelta::milliseconds(1);
        assert_eq!(wait(&[just_in; 10], now), Some(1), "never zero");
    }

    #[test]
    fn references_are_read_without_doubt() {
        assert_eq!(reference([0; 5]), "SR-0000-0000");
        assert_eq!(reference([255; 5]), "SR-ZZZZ-ZZZZ");
        assert_eq!(reference([0, 0, 0, 0, 1]), "SR-0000-0001");
        assert_eq!(reference([8, 0, 0, 0, 0]), "SR-1000-0000");
        let all: String = (0..=255).map(|byte| reference([byte; 5])).collect();
        assert!(!all.contains(['I', 'L', 'O', 'U']));
    }
}
