//! Certificate authorities that are believed besides the public ones, by those who call out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{BadFile, files};

const SETTING: &str = "PORTICO_CA_FILE";
/// What stands for the system's store instead of a file.
const SYSTEM: &str = "system";
/// Where systems keep their store in one file: Debian, Red Hat, SUSE, Alpine and the BSDs.
const STORES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// The certificates of a file in PEM, all of which have to be usable, or of the system's store; none where nothing is set.
pub fn authorities(setting: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    match setting {
        None => Ok(Vec::new()),
        Some(path) if path == Path::new(SYSTEM) => of_system(STORES.iter().map(Path::new)),
        Some(path) => of_file(path),
    }
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let found = files::certificates(SETTING, path)?;
    let mut store = RootCertStore::empty();
    let unusable = |why| BadFile::Unusable { setting: SETTING, path: path.to_owned(), why };
    found.iter().try_for_each(|certificate| store.add(certificate.clone())).map_err(unusable)?;
    Ok(found)
}

/// A store may hold what cannot be used: that is left out.
fn of_system<'a>(stores: impl Iterator<Item = &'a Path>) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let stores: Vec<&Path> = stores.collect();
    let pem = stores.iter().find_map(|store| fs::read(store).ok()).unwrap_or_default();
    let usable = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).filter(usable).collect();
    if found.is_empty() {
        let looked: Vec<_> = stores.iter().map(|store| store.display().to_string()).collect();
        return Err(BadFile::Nothing { setting: SETTING, path: PathBuf::from(looked.join(", ")), what: "certificate" });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(setting: &Path) -> String {
        authorities(Some(setting)).map_or_else(|error| error.to_string(), |found| found.len().to_string())
    }

    #[test]
    fn a_file_that_cannot_be_used_names_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let good = include_str!("../../tests/gateway/tls/authority.pem");
        assert_eq!(told(&file("good.pem", good)), "1");
        assert_eq!(told(&file("two.pem", &format!("# ours\n{good}\n{good}"))), "2");
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let torn = good.split_at(good.len() / 2).0;
        let missing = folder.path().join("missing.pem");
        for (path, said) in [
            (missing.as_path(), "cannot be read"),
            (folder.path(), "cannot be read"),
            (&file("empty.pem", ""), "has no certificate"),
            (&file("key.pem", include_str!("../../tests/gateway/tls/server.key")), "has no certificate"),
            (&file("damaged.pem", damaged), "cannot be used"),
            (&file("half.pem", &format!("{good}\n{damaged}")), "cannot be used"),
            (&file("torn.pem", &format!("{good}\n{torn}")), "has no certificate"),
        ] {
            let told = told(path);
            assert!(told.starts_with("PORTICO_CA_FILE: ") && told.contains(said), "{told}");
        }
        assert!(authorities(None).unwrap().is_empty());
    }

    #[test]
    fn of_the_systems_store_what_cannot_be_used_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.pem");
        let good = include_str!("../../tests/gateway/tls/authority.pem");
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(&store, format!("{damaged}{good}")).unwrap();
        let missing = folder.path().join("missing.pem");
        let found = of_system([missing.as_path(), store.as_path()].into_iter()).unwrap();
        assert_eq!(found.len(), 1);
        let none = of_system([missing.as_path()].into_iter()).unwrap_err().to_string();
        assert!(none.starts_with("PORTICO_CA_FILE: ") && none.contains("missing.pem"), "{none}");
    }
}
