use chrono::TimeDelta;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::*;

fn now() -> DateTime<Utc> {
    "2026-01-05T09:00:00Z".parse().expect("a time")
}

fn params(days: i64) -> CertificateParams {
    let mut params = CertificateParams::new(["caller.example".to_owned()]).expect("parameters");
    let at = |days| rcgen::date_time_ymd(2026, 1, 5) + std::time::Duration::from_secs(86_400) * days;
    params.not_before = at(0) - std::time::Duration::from_secs(86_400);
    params.not_after = if days < 0 { at(0) } else { at(u32::try_from(days).expect("days")) };
    params
}

fn problem(pem: &str) -> String {
    Certificate::registered("certificatePem", pem, now()).expect_err("refused").message
}

#[test]
fn a_certificate_is_known_by_its_thumbprint_and_its_time() {
    for key in [KeyPair::generate(), KeyPair::generate_for(&PKCS_ED25519), KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)] {
        let made = params(30).self_signed(&key.expect("a key")).expect("a certificate");
        let read = Certificate::registered("certificatePem", &made.pem(), now()).expect("fine");
        assert_eq!(Certificate::of_der(made.der()), Some(read));
        assert_eq!(read.thumbprint, sha256(made.der()));
        assert_eq!(read.shown().len(), 64);
        assert!(read.is_in_force(now()) && !read.is_in_force(now() - TimeDelta::days(2)));
        assert!(!read.is_in_force(read.not_after) && read.is_in_force(read.not_after - TimeDelta::seconds(1)));
    }
}

#[test]
fn what_is_no_callers_certificate_is_refused() {
    let key = KeyPair::generate().expect("a key");
    let made = params(30).self_signed(&key).expect("a certificate");
    let authority = |name: &str| {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().expect("a key")).expect("a root");
    let between = authority("between").signed_by(&KeyPair::generate().expect("a key"), &root).expect("an intermediate");
    let issued = params(30).signed_by(&key, &root).expect("issued");
    assert!(Certificate::registered("certificatePem", &issued.pem(), now()).is_ok());
    let pem = made.pem();
    let cut: String = pem.lines().filter(|line| !line.starts_with("MII")).map(|line| format!("{line}\n")).collect();
    for (given, say) in [
        (String::new(), "must be a certificate as PEM"),
        ("nonsense".to_owned(), "must be a certificate as PEM"),
        (format!("{pem}{pem}"), "must be one certificate"),
        (format!("{pem}{}", key.serialize_pem()), "holds a private key"),
        (key.public_key_pem(), "must be a certificate as PEM"),
        (cut, "cannot be read"),
        (params(-1).self_signed(&key).expect("ended").pem(), "ended on 2026-01-05"),
        (between.pem(), "is an authority's"),
        ("x".repeat(MAX_PEM + 1), "must have at most"),
    ] {
        assert!(problem(&given).starts_with(say), "{say}: {}", problem(&given));
    }
    for bytes in [&b""[..], b"\x30\x82", &[made.der().as_ref(), b"x"].concat()] {
        assert_eq!(Certificate::of_der(bytes), None);
    }
}
