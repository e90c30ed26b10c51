//! Where settings come from, and what is said of a wrong one.

use std::io;

use super::{
    Config,
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
    #[error("{FILE} has {0}, which is no setting: it takes {known}", known = names().join(", "))]
    Unknown(String),
    #[error("{FILE} cannot be read: {0}")]
    File(String),
}

/// Settings, and what of the environment looks like one and is none.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Names of variables.
    pub unknown: Vec<String>,
}

fn names() -> Vec<String> {
    SETTINGS.iter().map(|setting| setting.name.to_lowercase()).collect()
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
) -> Result<Loaded, ConfigError> {
    let table = parse(file.unwrap_or_default())?;
    let mut config = Config::default();
    for setting in &SETTINGS {
        let variable = format!("{PREFIX}{}", setting.name);
        let key = setting.name.to_lowercase();
        let given = environment(&variable).map(|text| (variable, text)).filter(|(_, text)| !text.trim().is_empty());
        let given = given.or_else(|| table.get(&key).map(|value| (format!("{key} in {FILE}"), text_of(value))));
        let Some((from, text)) = given.filter(|(_, text)| !text.trim().is_empty()) else { continue };
        (setting.set)(&mut config, text.trim()).ok_or_else(|| wrong(setting, from, &text))?;
    }
    let known = |name: &str| SETTINGS.iter().any(|setting| Some(setting.name) == name.strip_prefix(PREFIX));
    // What the tests of the program itself are set by.
    let unknown = names.filter(|name| name.starts_with(PREFIX) && !known(name) && !name.starts_with("PORTICO_TEST_"));
    Ok(Loaded { config, unknown: unknown.collect() })
}

fn parse(file: &str) -> Result<toml::Table, ConfigError> {
    let table: toml::Table = file.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| file[..span.start.min(file.len())].lines().count().max(1));
        ConfigError::File(format!("line {line}: {}", error.message()))
    })?;
    match table.keys().find(|key| !names().contains(key)) {
        Some(unknown) => Err(ConfigError::Unknown(unknown.clone())),
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
