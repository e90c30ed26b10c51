//! `portico backup`: a consistent copy of a running SQLite database, for its owner's eyes alone.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use crate::{
    app::{StartError, files, reason, storage},
    config::Config,
};

/// Makes the copy; says what it is and what is not in it.
///
/// # Errors
/// [`StartError::Backup`], with what to do instead. What was begun is removed.
pub async fn run(config: &Config, to: &Path) -> Result<String, StartError> {
    let refused = |why: String| StartError::Backup(why);
    if config.uses_postgres() {
        let command = format!("pg_dump --format=custom --file={} \"$PORTICO_DATABASE_URL\"", to.display());
        return Err(refused(format!("this copies SQLite alone, and PORTICO_DATABASE_URL names PostgreSQL: run {command}")));
    }
    let to = std::path::absolute(to).map_err(|error| refused(format!("{} is no place for a file ({error})", to.display())))?;
    if fs::symlink_metadata(&to).is_ok() {
        return Err(refused(format!("{} exists already: give another name", to.display())));
    }
    if let Some(file) = storage::database_file(config).filter(|file| !file.exists()) {
        return Err(refused(format!("there is no database at {}: set PORTICO_DATA_DIR", file.display())));
    }
    let db = storage::connect(config, false).await.map_err(StartError::Database)?;
    let draft = draft(&to).ok_or_else(|| refused(format!("{} is no name of a file", to.display())))?;
    let made = copy(&db, &draft, &to).await;
    let _ = fs::remove_file(&draft);
    let _ = db.close().await;
    let bytes = made.map_err(|why| refused(format!("{} cannot be written ({why})", to.display())))?;
    let key = match &config.secret_key {
        Some(_) => "PORTICO_SECRET_KEY".to_owned(),
        None => storage::key_path(config).display().to_string(),
    };
    Ok(format!(
        "{}  {bytes} bytes\nThe key is not in it, and it is of no use without: keep {key} as well, elsewhere.",
        to.display()
    ))
}

/// Beside it: what is not whole never has its name.
fn draft(to: &Path) -> Option<PathBuf> {
    let name = to.file_name()?.to_str()?;
    Some(to.with_file_name(format!(".{name}.{}.unfinished", std::process::id())))
}

/// Its size in bytes.
async fn copy(db: &impl ConnectionTrait, draft: &Path, to: &Path) -> Result<u64, String> {
    let io = |error: io::Error| error.to_string();
    let _ = fs::remove_file(draft);
    // Empty, and for us alone: SQLite fills what is empty and keeps its mode.
    files::make(draft).map_err(io)?;
    let name = draft.to_str().ok_or("its name is no text")?;
    let vacuum = Statement::from_sql_and_values(DatabaseBackend::Sqlite, "vacuum into $1", [name.into()]);
    db.execute_raw(vacuum).await.map_err(|error| reason(&error))?;
    let file = File::open(draft).map_err(io)?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    // Linking fails where the name was taken meanwhile.
    fs::hard_link(draft, to).map_err(io)?;
    if let Some(directory) = to.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    }
    Ok(bytes)
}
