//! What access tokens look like: `ptp_`, 256 random bits in base62, and a checksum, so that a typo or a scanner's find is
//! settled offline.

use secrecy::SecretString;

use super::base62::{CHECKSUM, LENGTH_OF_256, checksum, of_256};

/// What every access token starts with; a session's token does not.
pub const PREFIX: &str = "ptp_";
/// Characters that are kept in the clear, to tell one token from another.
const SHOWN: usize = 8;
/// Ten years.
pub const MAX_DAYS: i32 = 3650;

/// A token from 32 random bytes, and the part of it that may be shown later.
pub fn issue(random: [u8; 32]) -> (SecretString, String) {
    let body = format!("{PREFIX}{}", of_256(random));
    let shown = body[..SHOWN].to_owned();
    (format!("{body}{}", checksum(&body)).into(), shown)
}

/// Whether this can be one of ours at all.
pub fn is_well_formed(token: &str) -> bool {
    let length = PREFIX.len() + LENGTH_OF_256 + CHECKSUM;
    if token.len() != length || !token.is_ascii() || !token.starts_with(PREFIX) {
        return false;
    }
    let (body, sum) = token.split_at(length - CHECKSUM);
    checksum(body) == sum
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_tells_what_it_is_and_whether_it_is_whole() {
        let (token, shown) = issue([7; 32]);
        let token = token.expose_secret();
        insta::assert_snapshot!(token, @"ptp_1fJjkkpe9PiTw9KSulA8Ghct30vZz4HpdQ5c5b9cPF13Q1iF6");
        assert!(token.starts_with(&shown) && shown.len() == 8);
        assert!(is_well_formed(token));
        let typo = token.replacen(&token[10..11], "_", 1);
        for wrong in ["", "ptp_", &token[1..], &token[..token.len() - 1], &typo, &format!("{token}x"), &"ü".repeat(27)] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
