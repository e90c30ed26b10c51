//! Where settings come from, and what is said of a wrong one.

use std::io;

use super::{
    Config, LogFormat,
    table::{SETTINGS, Setting},
};

const PREFIX: &str = "PORTICO_";

/// Read from where the program is started, if it is there.
pub const FILE: &str = "portico.toml";

/// A wrong setting: one line that names it, what it held (a secret is not shown) and what it takes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{from} is {held}: it takes {takes}")]
    Wrong { from: String, held: String, takes: &'static str },
    #[error("{FILE} has {key}, which is no setting: {}", instead(.key, &format!("it takes {}", names().join(", "))))]
    Unknown { key: String },
    /// A name that is mistyped would leave its setting at the default, unnoticed.
    #[error("{name} is no setting: {}", instead(.name, "unset it"))]
    UnknownVariable { name: String },
    #[error("{FILE} cannot be read: {0}")]
    File(String),
}

fn names() -> Vec<String> {
    SETTINGS.iter().map(|setting| setting.name.to_lowercase()).collect()
}

/// What was probably meant, written the same way; else what there is to do.
fn instead(given: &str, otherwise: &str) -> String {
    let (prefix, upper) = match given.strip_prefix(PREFIX) {
        Some(name) => (PREFIX, name.to_owned()),
        None => ("", given.to_uppercase()),
    };
    let distance = |setting: &Setting| strsim::damerau_levenshtein(setting.name, &upper);
    // Of a short name a few letters are most of it.
    let alike = |(distance, name): &(usize, &str)| *distance <= 3 && 3 * distance < name.len();
    let near = SETTINGS.iter().map(|setting| (distance(setting), setting.name)).min().filter(alike);
    match near {
        Some((_, name)) if prefix.is_empty() => format!("did you mean {}?", name.to_lowercase()),
        Some((_, name)) => format!("did you mean {PREFIX}{name}?"),
        None => otherwise.to_owned(),
    }
}

/// The text of [`FILE`]; `None` where there is none.
pub fn file() -> Result<Option<String>, ConfigError> {
    match std::fs::read_to_string(FILE) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::File(error.to_string())),
    }
}

/// The environment goes before the file; an empty value counts as unset.
pub fn load(
    environment: impl Fn(&str) -> Option<String>,
    names: impl Iterator<Item = String>,
    file: Option<&str>,
) -> Result<Config, ConfigError> {
    let table = parse(file.unwrap_or_default())?;
    let mut config = Config::default();
    for setting in &SETTINGS {
        let Some((from, text)) = given(setting, &environment, &table) else { continue };
        (setting.set)(&mut config, text.trim()).ok_or_else(|| wrong(setting, from, &text))?;
    }
    let known = |name: &str| SETTINGS.iter().any(|setting| Some(setting.name) == name.strip_prefix(PREFIX));
    let mut ours = names.filter(|name| name.starts_with(PREFIX) && !known(name));
    match ours.find(|name| !is_of_tests(name) && !is_of_a_service(name, environment(name).as_deref())) {
        Some(name) => Err(ConfigError::UnknownVariable { name }),
        None => Ok(config),
    }
}

/// Where a setting's value comes from, and the value.
fn given(setting: &Setting, environment: impl Fn(&str) -> Option<String>, file: &toml::Table) -> Option<(String, String)> {
    let variable = format!("{PREFIX}{}", setting.name);
    let key = setting.name.to_lowercase();
    let given = environment(&variable).map(|text| (variable, text)).filter(|(_, text)| !text.trim().is_empty());
    let given = given.or_else(|| file.get(&key).map(|value| (format!("{key} in {FILE}"), text_of(value))));
    given.filter(|(_, text)| !text.trim().is_empty())
}

/// The format of the log, whatever else is wrong.
pub fn log_format(environment: impl Fn(&str) -> Option<String>, file: Option<&str>) -> LogFormat {
    let table = file.and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut config = Config::default();
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.name == "LOG_FORMAT")
        && let Some((_, text)) = given(setting, environment, &table)
    {
        // A wrong format is told as text.
        let _ = (setting.set)(&mut config, text.trim());
    }
    config.log_format
}

/// What the tests of the program itself are set by.
fn is_of_tests(name: &str) -> bool {
    name.starts_with("PORTICO_TEST_")
}

/// What Kubernetes adds for a Service named portico, or portico with more behind it: its host, and its ports by name and number.
fn is_of_a_service(name: &str, held: Option<&str>) -> bool {
    let address = || held.is_some_and(|held| held.contains("://"));
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && address())
        || name.split_once("_PORT_").is_some_and(|(_, port)| port.starts_with(|digit: char| digit.is_ascii_digit()))
}

fn parse(file: &str) -> Result<toml::Table, ConfigError> {
    let table: toml::Table = file.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| file[..span.start.min(file.len())].lines().count().max(1));
        ConfigError::File(format!("line {line}: {}", error.message()))
    })?;
    match table.keys().find(|key| !names().contains(key)) {
        Some(unknown) => Err(ConfigError::Unknown { key: unknown.clone() }),
        None => Ok(table),
    }
}

/// As the environment would hold it: lists with commas.
fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(entries) => entries.iter().map(text_of).collect::<Vec<_>>().join(","),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Integer(value) => value.to_string(),
        toml::Value::Float(value) => value.to_string(),
        toml::Value::Datetime(value) => value.to_string(),
        toml::Value::Table(_) => "a table".to_owned(),
    }
}

fn wrong(setting: &Setting, from: String, held: &str) -> ConfigError {
    let held = if setting.secret { "set to something else (not shown)".to_owned() } else { format!("{held:?}") };
    ConfigError::Wrong { from, held, takes: setting.takes }
}
