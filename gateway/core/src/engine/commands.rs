//! Commands: what may be sent, what became of it, and what nobody knows any more.
//!
//! A command that may be sent is `Sent` in the transaction of its record; it leaves after that commit, once, from the
//! run of the daemon that decided it. What is not answered by its deadline is unknown, and a person must look.

mod answer;
mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::Engine;
use super::actions::Done;
use crate::alert::Text;
use crate::command::{Command, Send, State};
use crate::diagnostic::nearest;
use crate::expr::Truth;
use crate::ids::{DeviceId, MetricId};
use crate::profile::{self, Fields, Verify, Write, fill};
use crate::reading::Measured;
use crate::record::{Action, Order, Record};
use crate::twin::SILENT_AFTER;

pub(super) use ending::is_task;

/// Most commands that wait for an answer, of one device and of all.
const MOST_OF_DEVICE: usize = 32;
const MOST: usize = 1_000;
/// The longest reason.
const LONGEST_REASON: usize = 200;

/// Commands that wait for an answer.
pub(super) type Commands = BTreeMap<Arc<str>, Command>;

/// A text in both languages.
pub(super) fn text(zh: impl AsRef<str>, en: impl AsRef<str>) -> Text {
    Text { zh: zh.as_ref().into(), en: en.as_ref().into() }
}

impl Engine {
    /// Decides on a person's command. `None`: the order is of another kind.
    pub(super) fn command(&mut self, action: &Action, record: &Record<'_>) -> Option<Done> {
        let Order::CommandDevice { device, command, value, reason, grant, nonce } = &action.order else {
            return None;
        };
        let asked = Asked { command, value: value.as_deref(), reason, grant: grant.as_deref(), nonce };
        let result = self.decide_command(action, device, asked, record);
        let detail = json!({
            "command": command, "value": value, "reason": reason, "grant": grant,
            "id": result.as_ref().ok().map(|command| &*command.id),
            "state": result.as_ref().ok().map(|command| command.state),
            "why": result.as_ref().ok().and_then(|command| command.why.as_ref()),
        });
        let result = result.map(|command| {
            let answer = json!({"id": &*command.id, "state": command.state, "why": command.why});
            self.batch.commands.insert(Arc::clone(&command.id), command.clone());
            if command.state.is_open() {
                self.commands.insert(Arc::clone(&command.id), command);
            }
            answer
        });
        Some(Done { verb: "command.order", subject: device.to_string(), detail, result })
    }

    fn decide_command(
        &self,
        action: &Action,
        device: &DeviceId,
        asked: Asked<'_>,
        record: &Record<'_>,
    ) -> Result<Command, String> {
        let number = self.find_device(device)?;
        let known = self.register.get(number);
        if known.row.revoked {
            return Err(format!("{device:?} was taken off the register"));
        }
        let profile = known.profile.as_ref().ok_or_else(|| format!("{device:?} has no profile in force"))?;
        let commands = profile.commands();
        let Some(wanted) = commands.iter().find(|wanted| *wanted.id == *asked.command) else {
            let near = nearest(asked.command, commands.iter().map(|known| &*known.id));
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            return Err(format!("{device:?} has no command {:?}{hint}", asked.command));
        };
        match (&wanted.argument, asked.value) {
            (Some(argument), Some(value)) => argument.check(value)?,
            (Some(_), None) => return Err(format!("the command {:?} needs a value", asked.command)),
            (None, Some(_)) => return Err(format!("the command {:?} takes no value", asked.command)),
            (None, None) => {}
        }
        if asked.reason.len() > LONGEST_REASON {
            return Err(format!("the reason may have {LONGEST_REASON} bytes"));
        }
        let now = record.now;
        // Who ordered it away from here ordered it then: what is late is void, not postponed.
        let ordered = action.happened_at.min(now.wall);
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&record.seq.to_le_bytes())
            .update(device.as_str().as_bytes())
            .update(asked.nonce.as_bytes());
        let mut command = Command {
            id: Arc::from(&hasher.finalize().to_hex()[..16]),
            device: device.clone(),
            class: known.row.class.clone(),
            command: Arc::clone(&wanted.id),
            value: asked.value.map(str::to_owned),
            actor: action.actor.clone(),
            grant: asked.grant.map(str::to_owned),
            reason: asked.reason.to_owned(),
            role: Arc::clone(&wanted.role),
            happened_at: action.happened_at,
            decided_at: now.wall,
            expires_at: ordered.plus_ms(wanted.expiry_ms),
            state: State::Sent,
            why: None,
            acked: false,
            seen: None,
            ended_at: None,
            via: known.twin.source.and_then(|source| self.clock.name_of(source)),
            present: self.is_there(number),
            send: None,
            seq: record.seq,
            boot: now.boot,
            deadline: self.clock.even().saturating_add(wanted.timeout_ms),
        };
        let (state, why) = self.may_be_sent(number, wanted, &command);
        (command.state, command.why) = (state, why);
        if state.is_open() {
            command.send = Some(self.to_send(&command, wanted, asked.nonce)?);
        } else {
            command.ended_at = Some(now.wall);
        }
        Ok(command)
    }

    fn may_be_sent(
        &self,
        number: usize,
        wanted: &profile::Command,
        command: &Command,
    ) -> (State, Option<Text>) {
        let refused = |why| (State::Refused, Some(why));
        if !wanted.writable {
            return refused(text(
                "设备型号的配置将此命令设为只读",
                "the profile keeps this command read-only",
            ));
        }
        if command.grant.is_none() {
            return refused(text(
                "本院的设置未允许此命令（commands.allow）",
                "the site does not allow this command (commands.allow)",
            ));
        }
        if command.decided_at >= command.expires_at {
            let why = text("命令到达时已过期，未发送", "the order came too late and was not sent");
            return (State::Expired, Some(why));
        }
        let waiting = self.commands.values().filter(|other| other.device == command.device).count();
        if waiting >= MOST_OF_DEVICE || self.commands.len() >= MOST {
            return refused(text("等待应答的命令过多", "too many commands wait for an answer"));
        }
        let Some(interlock) = &wanted.interlock else { return (State::Sent, None) };
        let label = &interlock.label;
        match interlock.holds(|metric| self.believed(number, metric)) {
            Truth::True => (State::Sent, None),
            Truth::False => refused(text(&label.zh, &label.en)),
            Truth::Unknown => refused(text(
                format!("联锁条件目前未知：{}", label.zh),
                format!("what the interlock needs is not known at present: {}", label.en),
            )),
        }
    }

    /// The newest value of a metric, as long as the device is there.
    fn believed(&self, number: usize, metric: &MetricId) -> Option<Measured> {
        if !self.is_there(number) {
            return None;
        }
        self.newest(self.register.get(number), metric.as_str()).map(|(_, measured)| measured)
    }

    /// Whether a device was heard as it promised, and did not say since that it is gone.
    fn is_there(&self, number: usize) -> bool {
        let device = self.register.get(number);
        let silent = self.clock.clocks().wall.since(device.twin.heard_at);
        let patience = device.every_ms().map(|every| every.saturating_mul(SILENT_AFTER));
        let heard = device.twin.source.is_some() && !device.twin.said_offline;
        heard && patience.is_none_or(|patience| silent <= patience)
    }

    fn to_send(&self, command: &Command, wanted: &profile::Command, nonce: &str) -> Result<Send, String> {
        let (id, device) = (&*command.id, command.device.as_str());
        match &wanted.write {
            Write::Message { topic, payload } => {
                let expires_at = command.expires_at.to_string();
                let value = command.value.as_deref();
                let fields = Fields { id, device, expires_at: &expires_at, nonce, value };
                let site = &self.settings.site;
                let topic = match topic {
                    Some(topic) => fill(topic, &fields),
                    None => format!("orderly/v1/{site}/{}/{device}/cmd/{id}", command.class),
                };
                Ok(Send::Message { topic, payload: fill(payload, &fields), keep: !wanted.actuates })
            }
            Write::Registers(values) => {
                let write = values.of(command.value.as_deref())?;
                let expect = match &wanted.verify {
                    Some(Verify::ReadBack) => Some(write.clone()),
                    Some(Verify::Registers(expect)) => Some(expect.clone()),
                    Some(Verify::Metric { .. }) | None => None,
                };
                Ok(Send::Registers { write, expect })
            }
        }
    }

    /// When the first command has been waited for long enough, by the even clock.
    pub(super) fn first_deadline(&self) -> Option<i64> {
        self.commands.values().map(|command| command.deadline).min()
    }

    /// How a command of the profile that is in force shows that it was carried out.
    fn verify_of(&self, command: &Command) -> Option<&Verify> {
        let number = self.register.find(command.device.as_str())?;
        let profile = self.register.get(number).profile.as_ref()?;
        profile.commands().iter().find(|known| known.id == command.command)?.verify.as_ref()
    }

    /// The commands that wait for this device.
    fn waiting_for(&self, device: &DeviceId) -> BTreeSet<Arc<str>> {
        let of = self.commands.values().filter(|command| command.device == *device);
        of.map(|command| Arc::clone(&command.id)).collect()
    }
}

/// What a person asks for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    command: &'a str,
    value: Option<&'a str>,
    reason: &'a str,
    grant: Option<&'a str>,
    nonce: &'a str,
}
