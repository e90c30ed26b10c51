//! One-time passwords by time (RFC 6238), as authenticator apps make them: HMAC-SHA-1, six digits, steps of 30 seconds.

use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Digits of a code.
pub const DIGITS: usize = 6;
/// Bytes of a secret: as many as the hash has (RFC 4226 section 4, R6).
pub const SECRET: usize = 20;
/// Seconds.
const STEP: i64 = 30;
/// Steps that a clock may be off, to either side.
const WINDOW: i64 = 1;
/// RFC 3986's unreserved characters stay.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret as apps and people take it.
pub fn base32(secret: &[u8; SECRET]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// The secret behind a base32 text of ours.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    BASE32_NOPAD.decode(text.as_bytes()).ok().filter(|secret| secret.len() == SECRET)
}

/// What a QR code has in it: the Key URI Format of authenticator apps. `issuer` is the portal's name, `account` the person's
/// address.
pub fn uri(issuer: &str, account: &str, base32: &str) -> String {
    // A colon is what parts the two in the label.
    let [issuer, account] = [issuer, account].map(|text| utf8_percent_encode(&text.replace(':', " "), UNRESERVED).to_string());
    format!("otpauth://totp/{issuer}:{account}?secret={base32}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}")
}

/// The step of the code, if it is right now, give or take [`WINDOW`], and of no step up to `after`: that one was taken.
pub fn accepted(secret: &[u8], given: &str, now: DateTime<Utc>, after: Option<i64>) -> Option<i64> {
    let current = step_at(now);
    (current - WINDOW..=current + WINDOW)
        .filter(|step| after.is_none_or(|after| *step > after))
        .find(|step| code(secret, *step, DIGITS).as_bytes().ct_eq(given.as_bytes()).into())
}

/// The code that an app shows at this moment.
pub fn code_at(secret: &[u8], now: DateTime<Utc>) -> String {
    code(secret, step_at(now), DIGITS)
}

fn step_at(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(STEP)
}

/// RFC 4226 section 5.3: 31 bits of the digest, from where its last four bits say.
fn code(secret: &[u8], step: i64, digits: usize) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(secret).expect("any key length");
    mac.update(&step.to_be_bytes());
    let digest: [u8; 20] = mac.finalize().into_bytes().into();
    let from = usize::from(digest[19] & 0xf);
    let number = u32::from_be_bytes([digest[from] & 0x7f, digest[from + 1], digest[from + 2], digest[from + 3]]);
    let text = format!("{number:010}");
    text[text.len() - digits..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 6238's appendix B.
    const RFC: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_vectors_of_the_rfc() {
        for (seconds, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code(RFC, step_at(at(seconds)), 8), expected);
            assert_eq!(code_at(RFC, at(seconds)), expected[2..]);
        }
        // Appendix D of RFC 4226: counters from 0.
        let counted = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, expected) in (0..).zip(counted) {
            assert_eq!(code(RFC, step, DIGITS), expected);
        }
    }

    #[test]
    fn a_code_holds_a_step_to_either_side() {
        let shown = code_at(RFC, at(3000));
        for (now, expected) in [
            (2969, None),
            (2970, Some(100)),
            (3000, Some(100)),
            (3029, Some(100)),
            (3059, Some(100)),
            (3060, None),
            (30_000, None),
        ] {
            assert_eq!(accepted(RFC, &shown, at(now), None), expected, "{now}");
        }
        for wrong in ["", "1", &shown[1..], &format!("{shown}0"), &format!(" {shown}"), "ünïcöd"] {
            assert_eq!(accepted(RFC, wrong, at(3000), None), None, "{wrong}");
        }
    }

    #[test]
    fn a_code_is_taken_once_and_none_before_it_after_it() {
        let [before, shown, next] = [2970, 3000, 3030].map(|moment| code_at(RFC, at(moment)));
        let step = accepted(RFC, &shown, at(3000), None);
        assert_eq!(step, Some(100));
        assert_eq!(accepted(RFC, &shown, at(3000), step), None);
        assert_eq!(accepted(RFC, &shown, at(3030), step), None);
        assert_eq!(accepted(RFC, &before, at(3000), step), None);
        assert_eq!(accepted(RFC, &next, at(3000), step), Some(101));
    }

    #[test]
    fn a_secret_travels_as_base32_and_in_an_address() {
        let secret = [0xAB; SECRET];
        let text = base32(&secret);
        assert_eq!(from_base32(&text).as_deref(), Some(&secret[..]));
        assert_eq!((from_base32("AAAA"), from_base32("not base32!")), (None, None));
        insta::assert_snapshot!(
            uri("Harbour: APIs & more", "ada+x@acme.example", &text),
            @"otpauth://totp/Harbour%20%20APIs%20%26%20more:ada%2Bx%40acme.example?secret=VOV2XK5LVOV2XK5LVOV2XK5LVOV2XK5L&issuer=Harbour%20%20APIs%20%26%20more&algorithm=SHA1&digits=6&period=30"
        );
    }
}
