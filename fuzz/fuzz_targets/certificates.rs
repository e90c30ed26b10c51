//! Certificates, as connections show them and as people register them.
#![no_main]

use chrono::{DateTime, TimeDelta, Utc};
use domain::rules::certificate::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Certificate::of_der(bytes);
    let now: DateTime<Utc> = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    if let Ok(pem) = std::str::from_utf8(bytes)
        && let Ok(certificate) = Certificate::registered("certificatePem", pem, now)
    {
        assert!(certificate.not_after > now);
    }
});
