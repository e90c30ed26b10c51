use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn write(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    path
}

fn pair(name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new([name.to_owned()]).expect("parameters").self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_setting() {
    let dir = tempfile::tempdir().expect("a directory");
    let ((certificate, key), (_, other)) = (pair("a.example"), pair("b.example"));
    let good = write(dir.path(), "cert.pem", &certificate);
    let good_key = write(dir.path(), "key.pem", &key);
    let empty = write(dir.path(), "empty.pem", "");
    let other = write(dir.path(), "other.pem", &other);
    let missing = dir.path().join("missing.pem");
    let told = |certificate: &Path, key: &Path| {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        Served::new(files).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(told(&good, &good_key), Ok(()));
    for (certificate, key, setting, say) in [
        (&missing, &good_key, "PORTICO_GATEWAY_TLS_CERT", "cannot be read"),
        (&empty, &good_key, "PORTICO_GATEWAY_TLS_CERT", "has no certificate"),
        (&good, &missing, "PORTICO_GATEWAY_TLS_KEY", "cannot be read"),
        (&good, &good, "PORTICO_GATEWAY_TLS_KEY", "has no private key"),
        (&good, &other, "PORTICO_GATEWAY_TLS_KEY", "cannot be used"),
    ] {
        let error = told(certificate, key).expect_err("a wrong file");
        assert!(error.starts_with(setting) && error.contains(say), "{error}");
    }
    let error = Authority::from_file(&empty).expect_err("no authority").to_string();
    assert!(error.starts_with("PORTICO_GATEWAY_TLS_CLIENT_CA") && error.contains("has no certificate"), "{error}");
}
