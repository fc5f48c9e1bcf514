//! The settings: TOML in layers, read strictly, with an answer to "what is wrong and where".
//!
//! This room only reads and checks; it opens no port and starts nothing.

pub mod amount;
pub mod problem;
pub mod secret;

mod check;
mod commands;
mod files;
mod hooks;
mod http;
mod journal;
mod layers;
mod listener;
mod log;
mod modbus;
mod mqtt;
mod notify;
mod privacy;
mod retention;
mod sinks;
mod strict;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use amount::{Size, Span};
pub use commands::CommandSettings;
pub use files::{ProfilesSettings, RegistrySettings, RulesSettings};
pub use hooks::{HookEncoding, HookSettings, HookSigned};
pub use http::HttpSettings;
pub use journal::JournalSettings;
pub use layers::INSTALLED;
pub use listener::ListenerSettings;
pub use log::{LogFormat, LogSettings};
pub use modbus::{ModbusDevice, ModbusFraming, ModbusSettings, Parity};
pub use mqtt::{MqttSettings, MqttVersion};
pub use notify::{NotifyKind, NotifySettings};
pub use privacy::PrivacySettings;
pub use problem::{Problem, draw};
pub use retention::RetentionSettings;
pub use secret::{Credentials, Secret};
pub use sinks::{Dialect, Precision, Product, SinkKind, SinkSettings};

/// All settings, resolved from every layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name of the site; the third level of our own topics.
    pub site: String,
    /// Where all files live.
    pub data_dir: PathBuf,
    /// Zone in which local times without offset are read and calendars are kept.
    pub time_zone: String,
    /// What is logged and how.
    pub log: LogSettings,
    /// The journal.
    pub journal: JournalSettings,
    /// Our own MQTT listener.
    pub listener: ListenerSettings,
    /// REST, boards and the HTTP ingest doors.
    pub http: HttpSettings,
    /// MQTT brokers that we subscribe to, by name.
    pub mqtt: BTreeMap<String, MqttSettings>,
    /// Modbus TCP links that we poll, by name.
    pub modbus: BTreeMap<String, ModbusSettings>,
    /// Stores that every reading is sent to, by name.
    pub sinks: BTreeMap<String, SinkSettings>,
    /// Ways to tell people, by name.
    pub notify: BTreeMap<String, NotifySettings>,
    /// The site's own device profiles.
    pub profiles: ProfilesSettings,
    /// The site's own rules.
    pub rules: RulesSettings,
    /// The site's registry of places and things.
    pub registry: RegistrySettings,
    /// What people may tell devices to do.
    pub commands: CommandSettings,
    /// How long things are kept.
    pub retention: RetentionSettings,
    /// What comes from sources that say who somebody is.
    pub privacy: PrivacySettings,
    /// The folder of the settings file; `None`: there is none.
    #[serde(skip)]
    pub beside: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site: "main".to_owned(),
            data_dir: PathBuf::from("orderly-data"),
            time_zone: "Asia/Shanghai".to_owned(),
            log: LogSettings::default(),
            journal: JournalSettings::default(),
            listener: ListenerSettings::default(),
            http: HttpSettings::default(),
            mqtt: BTreeMap::new(),
            modbus: BTreeMap::new(),
            sinks: BTreeMap::new(),
            notify: BTreeMap::new(),
            profiles: ProfilesSettings::default(),
            rules: RulesSettings::default(),
            registry: RegistrySettings::default(),
            commands: CommandSettings::default(),
            retention: RetentionSettings::default(),
            privacy: PrivacySettings::default(),
            beside: None,
        }
    }
}

impl Settings {
    /// The folder of the registry: the one that is named, or else the one beside the settings file, if it is there.
    #[must_use]
    pub fn registry_folder(&self) -> Option<PathBuf> {
        let beside = || Some(self.beside.as_ref()?.join("registry")).filter(|folder| folder.is_dir());
        self.registry.dir.clone().or_else(beside)
    }
}

/// The settings and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What holds.
    pub settings: Settings,
    layers: Vec<layers::Layer>,
}

impl Loaded {
    /// Reads all layers: the built-in default, `file` (or the installed one) with its `conf.d`, `environment`.
    ///
    /// # Errors
    /// Everything that is wrong in any layer, not only the first.
    pub fn read(file: Option<&Path>, environment: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let mut loaded = Self::from_layers(layers::collect(file, environment)?)?;
        loaded.settings.beside = layers::chosen(file).map(|file| layers::beside(&file).to_owned());
        Ok(loaded)
    }

    fn from_layers(layers: Vec<layers::Layer>) -> Result<Self, Vec<Problem>> {
        let problems: Vec<Problem> = layers.iter().flat_map(strict::check::<Settings>).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let settings = merge(&layers)?;
        let problems: Vec<Problem> =
            check::faults(&settings).into_iter().map(|fault| fault.at_home(&layers)).collect();
        if problems.is_empty() { Ok(Self { settings, layers }) } else { Err(problems) }
    }

    /// The layer in which `path` was set last; for `print-config`.
    #[must_use]
    pub fn origin(&self, path: &str) -> Option<String> {
        layers::locate(&self.layers, path).map(|(layer, _)| layer.name)
    }
}

/// Lays the layers on top of one another; each was read strictly before.
fn merge(layers: &[layers::Layer]) -> Result<Settings, Vec<Problem>> {
    let mut builder = config::Config::builder();
    for layer in layers {
        builder = builder.add_source(config::File::from_str(&layer.text, config::FileFormat::Toml));
    }
    let merged = builder.build().and_then(config::Config::try_deserialize);
    merged.map_err(|e| {
        let all = layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(" + ");
        vec![Problem {
            file: all,
            text: "".into(),
            at: None,
            key: String::new(),
            message: format!("the files do not fit together: {e}"),
            hint: None,
        }]
    })
}
