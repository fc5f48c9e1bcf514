//! Commands on the wire.

use orderly_core::command as core;
use orderly_core::profile::{self, Takes};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Moment, Text, name};

/// A command that was ordered, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Command {
    /// Its name.
    #[schema(example = "1f0c7b6a55d3e210")]
    pub id: String,
    /// The device.
    pub device: String,
    /// Which command of the device's profile.
    #[schema(example = "unlock")]
    pub command: String,
    /// What the person said with it.
    pub value: Option<String>,
    /// sent, done, failed, mismatch, not_connected, unknown, refused or expired.
    #[schema(example = "done")]
    pub state: String,
    /// Why, where there is a reason to tell.
    pub why: Option<Text>,
    /// Who ordered it.
    pub actor: String,
    /// The entry of the site's list that allowed it.
    pub grant: Option<String>,
    /// Why it was ordered, in the person's words.
    pub reason: String,
    /// When the person ordered it.
    pub happened_at: Moment,
    /// When it was decided.
    pub decided_at: Moment,
    /// From then on the device must not carry it out any more.
    pub expires_at: Moment,
    /// When it came to its end.
    pub ended_at: Option<Moment>,
}

/// What a device can be told to do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Possible {
    /// Its name.
    pub command: String,
    /// What people call it.
    pub label: Text,
    /// Whether it may be ordered here: the profile says writable, and the site's list allows it.
    pub allowed: bool,
    /// It moves something.
    pub actuates: bool,
    /// Whose right it is.
    pub role: String,
    /// What must be said with it; null: nothing.
    pub argument: Option<Argument>,
    /// Seconds after which it is void.
    pub expiry_s: i64,
    /// Seconds for which an answer is waited for.
    pub timeout_s: i64,
}

/// What must be said with a command.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Argument {
    /// What it is.
    pub label: Text,
    /// `text`, `number` or `choice`.
    pub kind: String,
    /// The lowest and highest number.
    pub range: Option<[f64; 2]>,
    /// Bytes that a text may have.
    pub max_bytes: Option<usize>,
    /// The words of a choice.
    pub choices: Vec<String>,
}

/// The commands of a device.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Commands {
    /// What it can be told.
    pub possible: Vec<Possible>,
    /// What it was told, the newest first.
    pub commands: Vec<Command>,
}

impl From<&core::Command> for Command {
    fn from(command: &core::Command) -> Self {
        Self {
            id: command.id.to_string(),
            device: name(&command.device),
            command: command.command.to_string(),
            value: command.value.clone(),
            state: command.state.name().to_owned(),
            why: command.why.as_ref().map(|why| Text { zh: why.zh.to_string(), en: why.en.to_string() }),
            actor: name(&command.actor),
            grant: command.grant.clone(),
            reason: command.reason.clone(),
            happened_at: Moment(command.happened_at),
            decided_at: Moment(command.decided_at),
            expires_at: Moment(command.expires_at),
            ended_at: command.ended_at.map(Moment),
        }
    }
}

impl Possible {
    /// A command of a profile; `allowed`: the site's list has it.
    #[must_use]
    pub fn new(command: &profile::Command, allowed: bool) -> Self {
        Self {
            command: command.id.to_string(),
            label: text(&command.label),
            allowed: allowed && command.writable,
            actuates: command.actuates,
            role: command.role.to_string(),
            argument: command.argument.as_ref().map(Argument::from),
            expiry_s: command.expiry_ms / 1_000,
            timeout_s: command.timeout_ms / 1_000,
        }
    }
}

impl From<&profile::Argument> for Argument {
    fn from(argument: &profile::Argument) -> Self {
        let said = Self {
            label: text(&argument.label),
            kind: String::new(),
            range: None,
            max_bytes: None,
            choices: Vec::new(),
        };
        match &argument.takes {
            Takes::Text(most) => Self { kind: "text".to_owned(), max_bytes: Some(*most), ..said },
            Takes::Number(least, most) => {
                Self { kind: "number".to_owned(), range: Some([*least, *most]), ..said }
            }
            Takes::Choice(words) => Self { kind: "choice".to_owned(), choices: words.clone(), ..said },
        }
    }
}

fn text(label: &profile::Label) -> Text {
    Text { zh: label.zh.clone(), en: label.en.clone() }
}
