//! The engine: takes journal records strictly in order, decides, and says what one state transaction writes.
//!
//! It is a plain struct owned by one task. It never asks for the time, never reads a file and never looks
//! into the past by itself: a record carries its `now`, and earlier readings come as answers to look-ups.
//! The same records give the same output, wherever it is drained and however often it is restored.

mod actions;
mod adopt;
mod alerts;
mod batch;
mod clock;
mod commands;
mod config;
mod decide;
mod evaluate;
mod filed;
mod groups;
mod import;
mod input;
mod join;
mod keys;
mod parts;
mod prepared;
mod presence;
mod refused;
mod register;
mod registry;
mod reload;
mod shared;
mod state_codec;
mod tasks;
mod technical;
#[cfg(test)]
mod tests;
mod timers;

use std::sync::Arc;

use crate::dedupe::Seen;
use crate::ids::{DeviceId, SiteId};
use crate::output::{Output, Snapshot, TwinRow};
use crate::record::{Flags, Kind, Record, Seq, TimerRun};
use crate::registry::Registry;
use crate::rule::NEVER;
use crate::twin::{self, Held};
use crate::worklist::Worklist;

pub use crate::dedupe::{Lookup, matches};
pub use prepared::Prepared;
pub use refused::RefusedText;
pub use state_codec::RestoreError;

use alerts::{Alerts, is_over};
use batch::Batch;
use clock::EngineClock;
use commands::Commands;
use config::Config;
use decide::Outcome;
use groups::Groups;
use keys::Keys;
use parts::Parts;
use prepared::{Item, Message, Target, Work};
use register::{Device, Register};
use shared::Shared;
use timers::Timers;

/// What the engine must be told once.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The site whose topics are ours.
    pub site: SiteId,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    clock: EngineClock,
    keys: Keys,
    config: Config,
    /// Texts that were in force and that this version does not take.
    refused: Vec<RefusedText>,
    register: Register,
    /// Places and things.
    registry: Registry,
    alerts: Alerts,
    commands: Commands,
    worklist: Worklist,
    timers: Timers,
    groups: Groups,
    batch: Batch,
}

impl Engine {
    /// Takes up where the last commit left off. A text that an earlier version took and this one refuses is left
    /// out, see [`Engine::refused`]; the rest goes on.
    ///
    /// # Errors
    /// When a part of the snapshot is damaged or was written by a newer version.
    pub fn new(settings: EngineSettings, snapshot: Snapshot) -> Result<Self, RestoreError> {
        let (clock, keys, groups) = match &snapshot.engine {
            Some(blob) => state_codec::decode(blob)?,
            None => (EngineClock::default(), Keys::default(), Vec::new()),
        };
        let mut engine = Self {
            settings,
            clock,
            keys,
            config: Config::default(),
            refused: Vec::new(),
            register: Register::default(),
            registry: Registry::default(),
            alerts: Alerts::new(),
            commands: Commands::new(),
            worklist: Worklist::default(),
            timers: Timers::default(),
            groups: Groups::new(groups),
            batch: Batch { number: 1, ..Batch::default() },
        };
        engine.restore_texts(&snapshot);
        engine.registry = Registry::restore(snapshot.registry.iter().cloned());
        engine.restore_devices(snapshot)?;
        Ok(engine)
    }

    fn restore_texts(&mut self, snapshot: &Snapshot) {
        let rows = snapshot.texts.iter();
        let texts = rows.filter_map(|row| {
            let (what, text) = (row.what.clone(), row.text.clone()?);
            Some(RefusedText { what, text, reason: String::new() })
        });
        self.refused = texts.collect();
        for class in &self.take_up_refused() {
            self.config.recompile(class);
        }
    }

    fn restore_devices(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        let clocks = self.clock.clocks();
        let mut shared = Shared::default();
        for mut row in snapshot.devices {
            shared.row(&mut row);
            let profile = self.config.profile_of(&row);
            let class = self.config.class(&row.class);
            self.register.add(Device::new(row, profile, class, twin::Twin::default()));
        }
        for TwinRow { device, blob } in snapshot.twins {
            let Some(number) = self.register.find(device.as_str()) else { continue };
            let (mut twin, layout) = twin::decode(&blob)
                .map_err(|error| RestoreError::Twin { device: device.to_string(), error })?;
            shared.twin(&mut twin);
            let set = self.config.rules(self.register.get(number).class);
            twin.rules = twin.rules.carry(&layout, set, clocks, snapshot.cursor);
            self.register.get_mut(number).twin = twin;
        }
        for device in self.register.iter_mut() {
            device.until = presence::until(device);
        }
        self.alerts = snapshot.alerts.into_iter().map(|alert| (Arc::clone(&alert.id), alert)).collect();
        self.worklist = Worklist::restore(snapshot.tasks);
        let open = snapshot.commands.into_iter();
        self.commands = open.map(|command| (Arc::clone(&command.id), command)).collect();
        for number in 0..self.register.len() {
            self.schedule(number);
        }
        Ok(())
    }

    /// Decides on a record. `seen` holds, for each look-up of the prepared record, what was found.
    pub fn handle(&mut self, prepared: Prepared<'_>, seen: &[Seen]) {
        let Prepared { record, sealed, work, .. } = prepared;
        self.batch.hold_sealed(sealed);
        let restarted = self.clock.advance(record.now);
        if self.batch.first == 0 {
            self.batch.first = record.seq;
        }
        self.batch.cursor = record.seq;
        self.batch.counts.records += 1;
        if restarted {
            self.reschedule_all();
        }
        let run = (record.entry.kind == Kind::TimerRun).then(|| self.timer_run_of(&record)).flatten();
        // Who answered since the last run was there before anything ran out: they are told in one record.
        run.iter().flat_map(|run| &run.heard).for_each(|device| self.answered(device, record.seq));
        self.run_timers(record.seq);
        self.expire_commands(record.seq);
        match (record.entry.kind, work) {
            (Kind::Envelope, Work::Message(message)) => self.message(&record, message, seen),
            (Kind::Envelope, Work::Status { device, online }) => self.status(&record, device, online),
            (Kind::Envelope, Work::Ack { device, id }) => self.acked(&record, device, &id),
            (Kind::Envelope, Work::Other) => {}
            (Kind::Action, _) => self.act(&record),
            (Kind::Config, _) => self.reload(&record),
            (Kind::TimerRun, _) => run.iter().for_each(|run| self.timer_run(run, record.seq)),
            (Kind::Outcome, _) => self.outcome(&record),
        }
        self.run_groups(record.seq);
    }

    /// How many readings were decided since the last drain.
    #[must_use]
    pub const fn undrained(&self) -> usize {
        self.batch.readings.len()
    }

    /// Whether somebody is to be told or answered of what was decided since the last drain.
    #[must_use]
    pub const fn is_pressing(&self) -> bool {
        !self.batch.notices.is_empty() || !self.batch.answers.is_empty() || !self.batch.transitions.is_empty()
    }

    /// Takes everything that was decided since the last drain.
    pub fn drain(&mut self) -> Output {
        let next = self.batch.next();
        let mut batch = std::mem::replace(&mut self.batch, next);
        if batch.cursor == 0 {
            return Output::default();
        }
        let by_name = |register: &Register, numbers: &mut Vec<usize>| {
            numbers.sort_by(|a, b| register.get(*a).row.device.cmp(&register.get(*b).row.device));
        };
        for number in batch.twins.iter().chain(&batch.devices) {
            self.note_presence(*number);
        }
        batch.presence.append(&mut self.batch.presence);
        by_name(&self.register, &mut batch.twins);
        by_name(&self.register, &mut batch.devices);
        let mut twins = Vec::with_capacity(batch.twins.len());
        let mut blob = Vec::with_capacity(4_096);
        for number in std::mem::take(&mut batch.twins) {
            let device = self.register.get_mut(number);
            device.twin_changed = false;
            for (stream, chain) in device.twin.streams.iter_mut().zip(&device.chains) {
                let Some(newest) = batch.newest(Some(chain)) else { continue };
                stream.latest = Some(Held::new(newest));
            }
            blob.clear();
            twin::encode_into(&mut blob, &device.twin, &self.config.rules(device.class).layout);
            twins.push(TwinRow { device: device.row.device.clone(), blob: blob.as_slice().to_vec() });
        }
        let mut devices = Vec::with_capacity(batch.devices.len());
        for number in batch.devices {
            let device = self.register.get_mut(number);
            device.row_changed = false;
            devices.push(device.row.clone());
        }
        let alerts: Vec<_> = batch.alerts.iter().filter_map(|id| self.alerts.get(id).cloned()).collect();
        let (tasks, task_steps) = self.worklist.drain(self.clock.even());
        for alert in alerts.iter().filter(|alert| is_over(alert)) {
            self.alerts.remove(&alert.id);
        }
        Output {
            first: batch.first,
            cursor: batch.cursor,
            readings: Arc::new(batch.readings),
            devices,
            twins,
            alerts,
            transitions: batch.transitions,
            registry: batch.registry,
            texts: batch.texts,
            notices: batch.notices,
            quarantined: batch.quarantined,
            commands: batch.commands.into_values().collect(),
            tasks,
            task_steps,
            released: batch.released,
            audit: batch.audit,
            presence: batch.presence,
            engine: Some(state_codec::encode(&self.clock, &self.keys, &self.groups.written())),
            answers: batch.answers,
            counts: batch.counts,
        }
    }

    fn message(&mut self, record: &Record<'_>, message: Message, seen: &[Seen]) {
        let source = self.clock.source(record.entry.source);
        let mut parts = Parts::default();
        let mut index = message.items.last().map_or(0, |item| item.index.saturating_add(1));
        for item in message.items {
            let number = match &item.target {
                Target::Known(number) => Some(*number),
                Target::New { device, class } => self
                    .register
                    .find(device.as_str())
                    .or_else(|| self.self_register(device, class, item.profile.id(), record.seq)),
            };
            let Some(number) = number else { continue };
            self.one(record, number, source, item, seen, &mut parts);
        }
        if !self.commands.is_empty() {
            self.verify_commands(record);
        }
        for refused in message.refused {
            let excerpt = refused.excerpt.as_deref().unwrap_or(record.entry.body);
            self.batch.quarantine(record, index, refused.code, refused.reason, excerpt);
            index = index.saturating_add(1);
        }
    }

    fn one(
        &mut self,
        record: &Record<'_>,
        number: usize,
        source: u16,
        item: Item,
        seen: &[Seen],
        parts: &mut Parts,
    ) {
        let index = item.index;
        let found = item.lookup.and_then(|lookup| seen.get(lookup)).map_or(&[][..], |seen| &seen.readings);
        // A retained message may be of any age: it does not show that the device is there.
        if !record.entry.flags.has(Flags::RETAINED) {
            self.heard(number, Some(source), record.seq);
        }
        if self.register.get(number).twin.too_large > 0 {
            self.taken_again(number, record.seq);
        }
        self.touch_twin(number);
        match self.decide(number, record, item, found, parts) {
            Outcome::Kept | Outcome::Repeat => {}
            Outcome::Refused(code, reason) => {
                self.batch.quarantine(record, index, code, reason, record.entry.body);
            }
        }
    }

    fn status(&mut self, record: &Record<'_>, number: usize, online: bool) {
        let source = self.clock.source(record.entry.source);
        if online && !record.entry.flags.has(Flags::RETAINED) {
            self.heard(number, Some(source), record.seq);
        } else {
            self.register.get_mut(number).twin.said_offline = !online;
        }
        self.touch_twin(number);
    }

    fn timer_run_of(&mut self, record: &Record<'_>) -> Option<TimerRun> {
        let run = rmp_serde::from_slice(record.entry.body);
        if let Err(error) = &run {
            let reason = format!("the timer run cannot be read: {error}");
            self.batch.quarantine(record, 0, "malformed", reason, record.entry.body);
        }
        run.ok()
    }

    fn answered(&mut self, device: &DeviceId, seq: Seq) {
        if let Some(number) = self.register.find(device.as_str()) {
            self.heard(number, None, seq);
            self.touch_twin(number);
        }
    }

    fn timer_run(&mut self, run: &TimerRun, seq: Seq) {
        let mut changed = false;
        for link in &run.links {
            changed |= self.clock.link(link);
        }
        for (device, times) in &run.too_large {
            self.too_large(device, *times, seq);
        }
        if changed {
            self.reschedule_all();
        }
    }

    /// A gap of ours moves timers: each device is put where its next one now belongs.
    fn reschedule_all(&mut self) {
        self.timers.clear();
        for number in 0..self.register.len() {
            self.register.get_mut(number).timer = NEVER;
            self.schedule(number);
        }
    }

    fn touch_twin(&mut self, number: usize) {
        let device = self.register.get_mut(number);
        if !device.twin_changed {
            device.twin_changed = true;
            self.batch.twins.push(number);
        }
    }

    fn touch_row(&mut self, number: usize) {
        if self.config.rules(self.register.get(number).class).has_groups {
            self.groups.count_again();
        }
        let device = self.register.get_mut(number);
        if !device.row_changed {
            device.row_changed = true;
            self.batch.devices.push(number);
        }
    }
}
