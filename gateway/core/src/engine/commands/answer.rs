//! What comes back: the device's word, what a door found out, and what the device measures afterwards.

use std::sync::Arc;

use serde::Deserialize;

use super::super::Engine;
use super::text;
use crate::alert::Text;
use crate::command::State;
use crate::expr::{Aspect, slot_value};
use crate::profile::Verify;
use crate::record::{Flags, Found, Outcome, Record, Seq};
use crate::rule::show_number;
use crate::value::Value;

/// Readings may be this much older than the command by the device's clock.
const CLOCKS_DIFFER_MS: i64 = 2_000;

/// A device's answer; a bare word is taken too.
#[derive(Deserialize)]
struct Ack {
    result: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Engine {
    /// A device answered a command.
    pub(in super::super) fn acked(&mut self, record: &Record<'_>, number: usize, id: &str) {
        let source = self.clock.source(record.entry.source);
        self.heard(number, Some(source), record.seq);
        self.touch_twin(number);
        let device = self.register.get(number).row.device.clone();
        let Some(command) = self.commands.get(id).filter(|command| command.device == device) else {
            let reason = format!("no command {id:?} of {device:?} waits for an answer");
            return self.batch.quarantine(record, 0, "late_answer", reason, record.entry.body);
        };
        let id = Arc::clone(&command.id);
        let body = String::from_utf8_lossy(record.entry.body);
        let ack = serde_json::from_str::<Ack>(&body)
            .unwrap_or_else(|_| Ack { result: body.trim().trim_matches('"').to_owned(), reason: None });
        match ack.result.as_str() {
            "done" | "ok" => {
                let shown_by_metric =
                    matches!(self.verify_of(&self.commands[&id]), Some(Verify::Metric { .. }));
                if shown_by_metric {
                    // Its word is one thing, what it measures another: that is still to come.
                    self.change_command(&id, |command| command.acked = true);
                } else {
                    self.end_command(&id, State::Done, None, record.seq);
                }
            }
            "failed" | "refused" | "error" => {
                let said = ack.reason.unwrap_or_default();
                let said: String = said.chars().filter(|c| !c.is_control()).take(80).collect();
                // What is sealed says nothing in rows, alerts and the audit.
                let why = match said.as_str() {
                    _ if record.entry.flags.has(Flags::SEALED) => text(
                        "设备报告未能执行（原因已加密）",
                        "the device says that it could not; its reason is sealed",
                    ),
                    "" => text("设备报告未能执行", "the device says that it could not"),
                    said => text(format!("设备报告：{said}"), format!("the device says: {said}")),
                };
                self.end_command(&id, State::Failed, Some(why), record.seq);
            }
            _ => {
                let reason = "the answer must say done or failed as its result";
                self.batch.quarantine(record, 0, "malformed", reason.to_owned(), record.entry.body);
            }
        }
    }

    /// A door found out what became of a command.
    pub(in super::super) fn outcome(&mut self, record: &Record<'_>) {
        let outcome: Outcome = match rmp_serde::from_slice(record.entry.body) {
            Ok(outcome) => outcome,
            Err(error) => {
                let reason = format!("the outcome of a command cannot be read: {error}");
                return self.batch.quarantine(record, 0, "malformed", reason, record.entry.body);
            }
        };
        // One that was given up meanwhile stays what it is: its alert has been told.
        let Some(command) = self.commands.get(&*outcome.command) else { return };
        let id = Arc::clone(&command.id);
        let by_metric = matches!(self.verify_of(command), Some(Verify::Metric { .. }));
        let (state, why) = match outcome.found {
            Found::Written { read_back: false } if by_metric => {
                return self.change_command(&id, |command| command.acked = true);
            }
            Found::Written { .. } => (State::Done, None),
            found => ended(&found),
        };
        self.end_command(&id, state, why, record.seq);
    }

    /// A device's readings came; they may show what became of its commands.
    pub(in super::super) fn verify_commands(&mut self, record: &Record<'_>) {
        if record.entry.flags.has(Flags::RETAINED) {
            return;
        }
        let first = self.batch.readings.partition_point(|reading| reading.origin.seq < record.seq);
        let mut shown: Vec<(Arc<str>, bool, String)> = Vec::new();
        for reading in &self.batch.readings[first..] {
            for id in self.waiting_for(&reading.device) {
                let command = &self.commands[&id];
                let Some(Verify::Metric { metric, is, .. }) = self.verify_of(command) else { continue };
                let new = reading.taken_at.plus_ms(CLOCKS_DIFFER_MS) >= command.decided_at;
                let measured = reading.values.iter().find(|value| value.metric == *metric);
                let Some(measured) = measured.filter(|_| new) else { continue };
                let Some(value) = slot_value(Aspect::Good, measured) else { continue };
                #[expect(clippy::float_cmp, reason = "a token's number, or a setting that is told back")]
                let same = value == *is;
                shown.push((id, same, show(&measured.value)));
            }
        }
        for (id, same, seen) in shown {
            if same {
                self.end_command(&id, State::Done, None, record.seq);
            } else {
                self.change_command(&id, |command| command.seen = Some(seen));
            }
        }
    }

    /// Gives up what has been waited for long enough.
    pub(in super::super) fn expire_commands(&mut self, seq: Seq) {
        let now = self.clock.even();
        if self.first_deadline().is_none_or(|first| first > now) {
            return;
        }
        let due: Vec<Arc<str>> = self
            .commands
            .values()
            .filter(|command| command.deadline <= now)
            .map(|command| Arc::clone(&command.id))
            .collect();
        for id in due {
            let (state, why) = match self.commands[&id].seen.clone() {
                Some(seen) => (
                    State::Mismatch,
                    text(format!("执行后仍为 {seen}"), format!("afterwards it is still {seen}")),
                ),
                None => (
                    State::Unknown,
                    text(
                        "在规定时间内没有应答，可能已执行也可能未执行",
                        "no answer came in time; it may have been carried out or not",
                    ),
                ),
            };
            self.end_command(&id, state, Some(why), seq);
        }
    }
}

fn ended(found: &Found) -> (State, Option<Text>) {
    match found {
        Found::NotConnected { why } => (
            State::NotConnected,
            Some(text(format!("设备未连接，未发送（{why}）"), format!("not connected, not sent: {why}"))),
        ),
        Found::Void => {
            (State::Expired, Some(text("发送前已过期，未发送", "it was void before it could be sent")))
        }
        Found::ReadsOtherwise { expected, read } => (
            State::Mismatch,
            Some(text(
                format!("写入后应读回 {expected}，实际读回 {read}"),
                format!("{expected} was expected to read back, {read} was read"),
            )),
        ),
        Found::Refused { why } => {
            (State::Failed, Some(text(format!("设备拒绝：{why}"), format!("the device refused: {why}"))))
        }
        Found::Unanswered { why } => (
            State::Unknown,
            Some(text(
                format!("已发出但没有可用的应答，可能已执行（{why}）"),
                format!("it went out and no usable answer came; it may have been carried out: {why}"),
            )),
        ),
        Found::Written { .. } => (State::Done, None),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Number(n) => show_number(*n),
        Value::State(text) | Value::Text(text) => text.to_string(),
        Value::Missing(_) => "?".to_owned(),
    }
}
