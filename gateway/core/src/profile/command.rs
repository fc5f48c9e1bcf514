//! What a device can be told to do: the commands of a profile, as the engine and the doors use them.

use std::borrow::Cow;
use std::sync::Arc;

use super::metric::Label;
use crate::codec::registers::{Register, Written, encode};
use crate::expr::{Lowered, Slot, Truth, slot_value};
use crate::ids::MetricId;
use crate::reading::Measured;

/// One thing that a device can be told to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its name.
    pub id: Arc<str>,
    /// What boards call it.
    pub label: Label,
    /// It moves something. What does not, a sign's text, may be kept for a device that is not there.
    pub actuates: bool,
    /// It may be sent at all; a site must allow it besides.
    pub writable: bool,
    /// Who looks after it when it does not come off, and whose right it is.
    pub role: Arc<str>,
    /// What the person must say with it.
    pub argument: Option<Argument>,
    /// What is sent.
    pub write: Write,
    /// What shows that it was carried out; `None`: the device's word.
    pub verify: Option<Verify>,
    /// For how long the device may carry it out, in milliseconds.
    pub expiry_ms: i64,
    /// For how long an answer is waited for, in milliseconds.
    pub timeout_ms: i64,
    /// What must be so before it may be sent.
    pub interlock: Option<Interlock>,
}

/// What a person says with a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// What it is: a drawer, a share in %.
    pub label: Label,
    /// What may be said.
    pub takes: Takes,
}

/// What may be said with a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Takes {
    /// A text of at most so many bytes.
    Text(usize),
    /// A number from the first to the last.
    Number(f64, f64),
    /// One of these.
    Choice(Vec<String>),
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A message.
    Message {
        /// The topic, with `{device}` and `{id}`; `None`: our own.
        topic: Option<String>,
        /// The payload, with placeholders.
        payload: String,
    },
    /// Coils or registers.
    Registers(Values),
}

/// What is written into a unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Always the same.
    Fixed(Written),
    /// What the person says.
    Said(Register),
}

/// What shows that a command was carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Verify {
    /// A reading that came after it has this value.
    Metric {
        /// The metric.
        metric: MetricId,
        /// What it must be, as rules compare values.
        is: f64,
        /// The same, for people.
        shown: String,
    },
    /// These coils or registers read so.
    Registers(Written),
    /// What was written reads back.
    ReadBack,
}

/// What must be so before a command may be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Interlock {
    pub(super) must: Lowered,
    pub(super) slots: Vec<Slot>,
    /// Why it is refused otherwise.
    pub label: Label,
}

/// What stands in a message.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    /// Name of this one command.
    pub id: &'a str,
    /// The device.
    pub device: &'a str,
    /// When it is void, RFC 3339.
    pub expires_at: &'a str,
    /// A number used once.
    pub nonce: &'a str,
    /// What the person said.
    pub value: Option<&'a str>,
}

impl Interlock {
    /// Whether it holds; `value_of` gives the newest value of a metric, if it is still believed.
    pub fn holds(&self, value_of: impl Fn(&MetricId) -> Option<Measured>) -> Truth {
        let value = |slot: &Slot| {
            value_of(&slot.metric).and_then(|measured| slot_value(slot.aspect, &measured)).unwrap_or(f64::NAN)
        };
        let values: Vec<f64> = self.slots.iter().map(value).collect();
        self.must.eval(&values)
    }
}

impl Argument {
    /// Whether a person may say this.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, said: &str) -> Result<(), String> {
        match &self.takes {
            Takes::Text(most) if said.len() > *most => {
                Err(format!("the value may have {most} bytes, not {}", said.len()))
            }
            // A drawer without a number is no drawer.
            Takes::Text(_) if said.trim().is_empty() => Err("the value is empty".to_owned()),
            Takes::Text(_) if said.chars().any(char::is_control) => {
                Err("the value may hold no control characters".to_owned())
            }
            Takes::Text(_) => Ok(()),
            Takes::Number(least, most) => match said.parse::<f64>() {
                Ok(n) if (*least..=*most).contains(&n) => Ok(()),
                _ => Err(format!("the value must be a number from {least} to {most}, not {said:?}")),
            },
            Takes::Choice(words) => match words.iter().any(|word| word == said) {
                true => Ok(()),
                false => Err(format!("the value must be one of {}, not {said:?}", words.join(", "))),
            },
        }
    }
}

impl Values {
    /// The words to be written.
    ///
    /// # Errors
    /// When what the person said cannot stand in the register.
    pub fn of(&self, said: Option<&str>) -> Result<Written, String> {
        match (self, said) {
            (Self::Fixed(written), _) => Ok(written.clone()),
            (Self::Said(register), Some(said)) => {
                let number = said.parse::<f64>().map_err(|_| format!("{said:?} is no number"))?;
                encode(register, number)
            }
            (Self::Said(_), None) => Err("the value is missing".to_owned()),
        }
    }
}

/// The placeholders of payloads and topics.
pub(super) const PLACEHOLDERS: [&str; 5] = ["id", "device", "expires_at", "nonce", "value"];

/// A text with its placeholders filled in; within JSON, a text with quotes in it stays a text.
#[must_use]
pub fn fill(template: &str, fields: &Fields<'_>) -> String {
    let (mut out, mut rest) = (String::with_capacity(template.len() + 64), template);
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let name = rest.find('}').map_or("", |close| &rest[1..close]);
        let said = match name {
            "id" => Some(fields.id),
            "device" => Some(fields.device),
            "expires_at" => Some(fields.expires_at),
            "nonce" => Some(fields.nonce),
            "value" => Some(fields.value.unwrap_or("")),
            _ => None,
        };
        if let Some(said) = said {
            out.push_str(&escaped(said));
            rest = &rest[name.len() + 2..];
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['"', '\\']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', "\\\\").replace('"', "\\\""))
}
