//! Who may read what lies in the data directory: whom the program runs as, and nobody else.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A directory that all may write into and only owners remove from, as `/tmp`: no directory of ours alone.
const SHARED: u32 = 0o1000;

/// Makes the directory, for us alone, and sees that it can be written.
pub fn prepare_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let probe = path.join(format!(".portico-{}", std::process::id()));
    fs::write(&probe, "")?;
    fs::remove_file(probe)
}

/// An empty file for us alone, where there is none: SQLite gives what it makes beside its database the database's mode.
pub fn make(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Closes to others what an earlier version, or somebody, left open to them: the data directory, the database and the mails.
pub fn close(directory: &Path, database: Option<&Path>) {
    let mut opened = Vec::new();
    let mut failed = None;
    for path in ours(directory, database) {
        match close_one(&path) {
            Ok(true) => opened.push(path),
            Ok(false) => {}
            Err(error) => failed = Some((path, error)),
        }
    }
    if let Some(first) = opened.first() {
        tracing::warn!(files = opened.len(), "{} was open to others, and is no more", first.display());
    }
    if let Some((path, error)) = failed {
        tracing::warn!("{} is open to others and cannot be closed ({error}): run chmod go= {}", path.display(), path.display());
    }
}

/// What may be open to others and should not be. The key is not in it: one that others could read is refused.
pub fn ours(directory: &Path, database: Option<&Path>) -> Vec<PathBuf> {
    let mail = directory.join("mail");
    let beside = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let mut all = vec![directory.to_owned()];
    all.extend(database.into_iter().flat_map(|path| ["", "-wal", "-shm", "-journal"].map(|end| beside(path, end))));
    all.extend(fs::read_dir(&mail).into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path())));
    all.push(mail);
    all
}

/// Whether others can read or write it, where it is there and is not shared by its nature.
pub fn is_open(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        let mode = found.permissions().mode();
        (found.is_file() || found.is_dir()) && mode & 0o077 != 0 && mode & SHARED == 0
    })
}

/// Whether it was open.
fn close_one(path: &Path) -> io::Result<bool> {
    if !is_open(path) {
        return Ok(false);
    }
    let mode = fs::symlink_metadata(path)?.mode();
    fs::set_permissions(path, Permissions::from_mode(mode & 0o700))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_closed_and_what_is_shared_is_left() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("data");
        DirBuilder::new().mode(0o755).create(&directory).unwrap();
        let database = directory.join("portico.db");
        let all = [("portico.db", 0o644), ("portico.db-wal", 0o664), ("mail/a.eml", 0o640), ("secret.key", 0o644)];
        DirBuilder::new().mode(0o755).create(directory.join("mail")).unwrap();
        for (name, mode) in all {
            fs::write(directory.join(name), "").unwrap();
            fs::set_permissions(directory.join(name), Permissions::from_mode(mode)).unwrap();
        }
        close(&directory, Some(&database));
        let mode = |name: &str| fs::metadata(directory.join(name)).unwrap().mode() & 0o777;
        assert_eq!(["", "mail", "portico.db", "portico.db-wal", "mail/a.eml"].map(mode), [0o700, 0o700, 0o600, 0o600, 0o600]);
        assert_eq!(mode("secret.key"), 0o644);

        fs::set_permissions(&directory, Permissions::from_mode(0o1777)).unwrap();
        close(&directory, Some(&database));
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o1777);
    }
}
