//! Mail domains that teams claim: which may be claimed, how DNS proves one, and for how long a proof holds.

use chrono::{DateTime, TimeDelta, Utc};
use url::Host;

use crate::{Problem, ProblemCode};

/// Domains at which anyone gets a mailbox, sorted.
const PUBLIC: &str = include_str!("mail_domain/public.txt");
/// What stands before a domain in the name of its proving record.
const RECORD: &str = "_portico-challenge";
const VALUE: &str = "portico-domain-verification=";
/// Characters that DNS has room for, the record's own label taken off.
const MAX: usize = 253 - RECORD.len() - 1;
/// A proof is looked at again this long after the last time.
pub const RECHECK_AFTER: TimeDelta = TimeDelta::hours(24);
/// For so long a domain stays proven whose record is gone.
pub const GRACE: TimeDelta = TimeDelta::days(7);

/// A domain as DNS has it: lower case, punycode. Single names, addresses and domains of public mailboxes are refused.
pub fn checked(path: &str, given: &str) -> Result<String, Problem> {
    let invalid = |say: &str| Problem::new(ProblemCode::Invalid, path, say);
    let malformed = || invalid("must be a domain such as example.com");
    let given = given.trim().trim_end_matches('.');
    // The host parser decodes and drops what a domain has no business to hold.
    if given.chars().any(|c| c.is_whitespace() || c.is_control() || "%@/\\:?#_*".contains(c)) {
        return Err(malformed());
    }
    let Ok(Host::Domain(domain)) = Host::parse(given) else { return Err(malformed()) };
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if domain.len() > MAX || !domain.contains('.') || !domain.chars().all(plain) || !domain.split('.').all(label) {
        return Err(malformed());
    }
    if is_public(&domain) {
        return Err(invalid("anyone can have a mailbox at this domain: claim one that is your organisation's own"));
    }
    Ok(domain)
}

/// Whether anyone can have a mailbox there.
pub fn is_public(domain: &str) -> bool {
    PUBLIC.lines().any(|public| public == domain)
}

/// The domain of an address that was checked.
pub fn of_address(email: &str) -> &str {
    email.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Where the TXT record is published.
pub fn record_name(domain: &str) -> String {
    format!("{RECORD}.{domain}")
}

/// What the TXT record says.
pub fn record_value(token: &str) -> String {
    format!("{VALUE}{token}")
}

/// Whether one of a name's TXT records proves the claim. Other records may stand beside it.
pub fn proves(records: &[String], token: &str) -> bool {
    let wanted = record_value(token);
    records.iter().any(|record| record.trim() == wanted)
}

/// What a look at the record of a proven domain comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Holds,
    /// The record is gone; the proof holds on until the grace is over.
    Missing {
        since: DateTime<Utc>,
    },
    Lost,
}

/// `missing_since`: since when the record is known to be gone.
pub fn standing(found: bool, missing_since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Standing {
    match (found, missing_since) {
        (true, _) => Standing::Holds,
        (false, Some(since)) if now - since >= GRACE => Standing::Lost,
        (false, since) => Standing::Missing { since: since.unwrap_or(now) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_claimed() {
        for (given, domain) in [
            ("acme.example", "acme.example"),
            (" Acme.Example. ", "acme.example"),
            ("mail.acme.co.uk", "mail.acme.co.uk"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(checked("domain", given).as_deref(), Ok(domain), "{given}");
        }
        let long = format!("{}.example", "a.".repeat(120));
        for wrong in [
            "",
            "example",
            "localhost",
            ".example.com",
            "a..b",
            "-a.com",
            "a-.com",
            "10.0.0.1",
            "0x7f.1",
            "[::1]",
            "::1",
            "a b.com",
            "a@b.com",
            "https://a.com",
            "a.com/x",
            "a.com:25",
            "*.a.com",
            "_a.com",
            "a%2ecom",
            "a.com\0",
            &long,
        ] {
            assert!(checked("domain", wrong).is_err(), "{wrong:?}");
        }
        for public in ["gmail.com", "GMail.com.", "web.de", "126.com", "zohomail.com"] {
            assert!(checked("domain", public).unwrap_err().message.contains("mailbox"), "{public}");
        }
        assert!(PUBLIC.lines().is_sorted() && PUBLIC.lines().all(|line| line == line.trim().to_lowercase()));
    }

    #[test]
    fn only_the_whole_value_proves() {
        let records = |list: &[&str]| list.iter().map(|&record| record.to_owned()).collect::<Vec<_>>();
        assert!(proves(&records(&["v=spf1 -all", " portico-domain-verification=abc "]), "abc"));
        for wrong in [&[][..], &["abc"], &["portico-domain-verification=abcd"], &["x portico-domain-verification=abc"]] {
            assert!(!proves(&records(wrong), "abc"), "{wrong:?}");
        }
        assert_eq!(of_address("ada@acme.example"), "acme.example");
    }

    #[test]
    fn a_proof_outlives_its_record_by_a_week() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let ago = |days| Some(now - TimeDelta::days(days));
        assert_eq!(standing(true, ago(30), now), Standing::Holds);
        assert_eq!(standing(false, None, now), Standing::Missing { since: now });
        assert_eq!(standing(false, ago(6), now), Standing::Missing { since: now - TimeDelta::days(6) });
        assert_eq!(standing(false, ago(7), now), Standing::Lost);
    }
}
