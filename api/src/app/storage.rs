//! The database and the key, as every command opens them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use domain::{
    Domain,
    env::Env,
    keyring::Keyring,
    ops::{audit_log, portal},
};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::{
        self, Connection,
        sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};
use secrecy::{ExposeSecret, SecretString};

use super::{StartError, files};
use crate::config::Config;

/// Connections of one process.
const CONNECTIONS: u32 = 16;

/// Opens the database, brought up to date, and the keys; refuses keys that are not the database's.
pub async fn open(config: &Config, env: Env) -> Result<Domain, StartError> {
    prepare(config)?;
    let keys = keyring(config, &env)?;
    let domain = Domain::new(up_to_date(config).await?, env, keys);
    if !portal::keep_key(&domain).await? {
        let given = match &config.secret_key {
            Some(_) => "PORTICO_SECRET_KEY".to_owned(),
            None => key_path(config).display().to_string(),
        };
        return Err(StartError::OtherKey { given });
    }
    audit_log::begin(&domain).await?;
    Ok(domain)
}

/// Connects, and brings the database up to date; one process at a time.
pub async fn up_to_date(config: &Config) -> Result<DatabaseConnection, StartError> {
    let _alone = migration::alone(&config.data_dir.join("migrate.lock")).map_err(StartError::Migration)?;
    let db = connect(config, true).await.map_err(StartError::Database)?;
    let applied = migration::pending(&db).await.map_err(StartError::Migration)?.len();
    migration::up(&db).await.map_err(StartError::Migration)?;
    if applied > 0 {
        tracing::info!(migrations.applied = applied, "the database is up to date");
    }
    Ok(db)
}

/// Makes the data directory, sees that it can be written, and closes it to others.
pub fn prepare(config: &Config) -> Result<(), StartError> {
    let path = &config.data_dir;
    files::prepare_directory(path).map_err(|source| StartError::DataDir { path: path.clone(), source })?;
    files::close(path, database_file(config).as_deref());
    Ok(())
}

/// Connects. `create` makes a new SQLite file where there is none.
pub async fn connect(config: &Config, create: bool) -> Result<DatabaseConnection, DbErr> {
    if let Some(file) = database_file(config).filter(|_| create) {
        files::make(&file).map_err(|error| DbErr::Custom(format!("{} cannot be made ({error})", file.display())))?;
    }
    // A path is no URL: it may hold what there has a meaning of its own.
    let own_file = config.database_url.is_none().then(|| sqlite_file(config));
    let url = config.database_url.as_ref().map_or("sqlite://portico.db", ExposeSecret::expose_secret);
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .max_connections(CONNECTIONS)
        .acquire_timeout(config.database_wait)
        .connect_timeout(Duration::from_secs(5));
    // PostgreSQL tells floats in full by itself, and poolers know no such setting.
    options.map_sqlx_postgres_opts(|postgres| postgres.extra_float_digits(None));
    options.map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = match &own_file {
            Some(path) => sqlite.filename(path),
            None => sqlite,
        };
        sqlite
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: what was acknowledged survives a power cut, not only a crash of the program.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
    });
    options.map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_settled(connection))));
    Database::connect(options).await
}

/// Whether a connection that is given back has no transaction left; else it is closed. Where a disk is full, SQLite rolls back by
/// itself, and the ROLLBACK that follows finds nothing: sqlx still counts that transaction, and the next one on the connection
/// would be a savepoint inside it, whose end commits nothing.
async fn is_settled(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // The rollback of what was dropped is on its way: behind an answer it is done.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Where the embedded database is when no other is set.
pub fn sqlite_file(config: &Config) -> PathBuf {
    config.data_dir.join("portico.db")
}

/// The file that SQLite keeps the database in; `None` where there is no such file.
pub fn database_file(config: &Config) -> Option<PathBuf> {
    let Some(url) = &config.database_url else { return Some(sqlite_file(config)) };
    let options: SqliteConnectOptions =
        url.expose_secret().strip_prefix("sqlite:").and_then(|_| url.expose_secret().parse().ok())?;
    Some(options.get_filename().to_owned()).filter(|path| !path.to_string_lossy().contains(":memory:"))
}

pub fn key_path(config: &Config) -> PathBuf {
    config.data_dir.join("secret.key")
}

fn keyring(config: &Config, env: &Env) -> Result<Keyring, StartError> {
    if let Some(key) = &config.secret_key {
        return Keyring::parse(key).map_err(StartError::SecretKey);
    }
    if config.uses_postgres() {
        return Err(StartError::SecretKeyMissing);
    }
    let path = key_path(config);
    let key = match make_key_file(&path, env) {
        Ok(key) => key,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_key_file(&path)?,
        Err(source) => return Err(StartError::DataDir { path: config.data_dir.clone(), source }),
    };
    Keyring::parse(&key).map_err(|reason| StartError::KeyFileContent { path, reason })
}

/// A new key, readable by its owner alone. It appears whole or not at all: another process may start at the same moment.
fn make_key_file(path: &Path, env: &Env) -> io::Result<SecretString> {
    use std::os::unix::fs::OpenOptionsExt;
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let key = BASE64.encode(env.random::<32>());
    // Of its own: in containers, two processes on one volume may have one number.
    let draft = path.with_extension(format!("key.{}", BASE64.encode(env.random::<6>())));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    io::Write::write_all(&mut file, key.as_bytes())?;
    file.sync_all()?;
    // Linking fails where the name is taken; renaming would replace what the other process has read.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked.map(|()| key.into())
}

/// Refuses a file that others can read.
pub fn read_key_file(path: &Path) -> Result<SecretString, StartError> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |source| StartError::KeyFile { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(StartError::KeyFileOpen { path: path.to_owned() });
    }
    Ok(fs::read_to_string(path).map_err(failed)?.trim().to_owned().into())
}
