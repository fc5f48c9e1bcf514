//! All simulated things together, as a function of time: who says what when, and what the registers hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use super::faults::{POISON, Plan};
use super::fleet;
use super::frame::{Frame, Said, Sheet, registers};
use super::models::{Model, Moment};
use super::obey;
use super::options::{Options, Sizes};
use super::outgoing::{Group, Outgoing, UnitName};
use super::random::Random;
use super::units::{Registers, Unit};
use super::value::Values;
use super::world::{DockState, World, ZONES};

/// How often the registers of the Modbus units move on.
const UNIT_STEP_MS: i64 = 500;

#[derive(Debug)]
pub(super) struct Device {
    pub id: Arc<str>,
    pub class: Arc<str>,
    pub group: usize,
    pub frame: Frame,
    pub model: Box<dyn Model>,
    pub random: Random,
    pub plan: Plan,
    pub number: u64,
    /// When it is asked next.
    pub due_at: i64,
    /// A model of a maker, which must be on the register.
    pub made: bool,
}

#[derive(Debug)]
pub(super) struct Polled {
    pub name: UnitName,
    pub sheet: Arc<Sheet>,
    pub unit: Box<dyn Unit>,
    pub random: Random,
    pub last: Registers,
}

/// What a unit's registers hold and mean from a moment on.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The unit.
    pub name: UnitName,
    /// Its registers.
    pub registers: Registers,
    /// What they mean.
    pub values: Values,
}

/// The simulated hospital.
#[derive(Debug)]
pub struct Hospital {
    pub(super) site: String,
    pace: f64,
    pub(super) devices: Vec<Device>,
    pub(super) by_name: HashMap<Arc<str>, usize>,
    pub(super) due: BinaryHeap<Reverse<(i64, usize)>>,
    /// Messages that wait: second copies, and those of devices that keep theirs for a while.
    held: BTreeMap<(i64, u64), Outgoing>,
    holds: u64,
    pub(super) units: Vec<Polled>,
    units_at: i64,
    world: World,
    pub(super) groups: Vec<Group>,
    pub(super) memory: obey::Memory,
}

impl Hospital {
    /// Sets everything up as it stands at `now`.
    ///
    /// # Errors
    /// A shipped profile that cannot be simulated.
    pub fn new(options: &Options, now: i64) -> Result<Self, String> {
        let sizes = Sizes::at(options.scale);
        let slots = u32::try_from(sizes.wheelchairs.div_ceil(sizes.docks)).unwrap_or(1) + 2;
        let docks = vec![DockState { slots, ..DockState::default() }; sizes.docks.min(ZONES.len())];
        let mut hospital = Self {
            site: options.site.clone(),
            pace: options.pace.clamp(0.1, 1_000.0),
            devices: Vec::new(),
            by_name: HashMap::new(),
            due: BinaryHeap::new(),
            held: BTreeMap::new(),
            holds: 0,
            units: Vec::new(),
            units_at: now,
            world: World { docks, ..World::default() },
            groups: Vec::new(),
            memory: obey::Memory::default(),
        };
        fleet::fill(&mut hospital, options, now)?;
        Ok(hospital)
    }

    /// What a device knows that is being made now.
    pub(super) const fn moment<'m>(&'m mut self, now: i64, random: &'m mut Random) -> Moment<'m> {
        Moment { now, device_now: now, random, world: &mut self.world, pace: self.pace }
    }

    /// What the devices of a group hear.
    #[must_use]
    pub fn filters(&self, group: usize) -> Vec<String> {
        let hearing =
            self.devices.iter().filter(|device| device.group == group && obey::hears(&device.class));
        let filter =
            |device: &Device| format!("orderly/v1/{}/{}/{}/cmd/+", self.site, device.class, device.id);
        hearing.take(obey::MOST).map(filter).collect()
    }

    /// The connections.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The units on the Modbus link, as a configuration names them.
    pub fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.units.iter().map(|polled| &polled.name)
    }

    /// Devices that must be on the register before they speak: name, class and profile.
    pub fn made(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let made = self.devices.iter().filter(|device| device.made);
        made.map(|device| (&*device.id, &*device.class, device.frame.sheet().id.as_str()))
    }

    /// Every device that publishes, with its profile.
    pub fn profiles(&self) -> impl Iterator<Item = (&str, &str)> {
        self.devices.iter().map(|device| (&*device.id, device.frame.sheet().id.as_str()))
    }

    /// How many devices publish, and how many are polled.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.devices.len(), self.units.len())
    }

    /// The moment at which something is due next.
    #[must_use]
    pub fn next_due(&self) -> i64 {
        let device = self.due.peek().map_or(i64::MAX, |Reverse((at, _))| *at);
        let held = self.held.keys().next().map_or(i64::MAX, |(at, _)| *at);
        device.min(held).min(self.units_at)
    }

    /// Messages that are due by `now`, in order of time; time must not go back.
    pub fn messages(&mut self, now: i64) -> Vec<Outgoing> {
        let mut out = Vec::new();
        while let Some(Reverse((at, index))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now)
        {
            self.due.pop();
            if self.devices.get(index).is_none_or(|device| device.due_at != at) {
                // A command came in between: it was asked then.
                continue;
            }
            self.release(at, &mut out);
            if let Some(next) = self.ask(index, at, &mut out) {
                self.call(index, next.max(at + 1));
            }
        }
        self.release(now, &mut out);
        out
    }

    /// Asks a device at this time, and not when it was to be asked before.
    pub(super) fn call(&mut self, index: usize, at: i64) {
        if let Some(device) = self.devices.get_mut(index) {
            device.due_at = at;
            self.due.push(Reverse((at, index)));
        }
    }

    /// Has a device carry out a command.
    pub(super) fn tell(
        &mut self,
        index: usize,
        command: &str,
        value: &str,
        now: i64,
    ) -> Result<(), &'static str> {
        let Some(device) = self.devices.get_mut(index) else { return Err("there is no such device") };
        let (random, world) = (&mut device.random, &mut self.world);
        let device_now = now + device.plan.clock_off_ms;
        let mut moment = Moment { now, device_now, random, world, pace: self.pace };
        device.model.told(command, value, &mut moment)
    }

    fn release(&mut self, now: i64, out: &mut Vec<Outgoing>) {
        while let Some(entry) = self.held.first_entry().filter(|entry| entry.key().0 <= now) {
            out.push(entry.remove());
        }
    }

    /// Asks one device; `None` when it is dead.
    fn ask(&mut self, index: usize, now: i64, out: &mut Vec<Outgoing>) -> Option<i64> {
        let device = self.devices.get_mut(index)?;
        if device.plan.dead_at.is_some_and(|at| now >= at) {
            return None;
        }
        let (random, world) = (&mut device.random, &mut self.world);
        let device_now = now + device.plan.clock_off_ms;
        let mut said = Vec::new();
        let mut moment = Moment { now, device_now, random, world, pace: self.pace };
        let next = device.model.step(&mut moment, &mut said);
        for said in said {
            self.send(index, now, said, out);
        }
        Some(next)
    }

    fn send(&mut self, index: usize, now: i64, said: Said, out: &mut Vec<Outgoing>) {
        let Some(device) = self.devices.get_mut(index) else { return };
        device.number += 1;
        let written = device.frame.write(&self.site, &device.id, &said, device.number);
        let mut message = Outgoing {
            group: device.group,
            device: Arc::clone(&device.id),
            class: Arc::clone(&device.class),
            stream: said.stream,
            number: device.number,
            device_time: written.device_time,
            topic: written.topic,
            payload: written.payload,
            fault: (device.plan.clock_off_ms != 0).then_some("clock"),
            values: written.values,
        };
        let mut wait = Vec::new();
        if device.random.chance(device.plan.poison) {
            let payload = POISON[usize::try_from(device.random.bits() % POISON.len() as u64).unwrap_or(0)];
            let poison = Outgoing {
                payload: payload.to_vec(),
                fault: Some("poison"),
                device_time: None,
                values: Values::new(),
                ..message.clone()
            };
            wait.push((now + 10, poison));
        }
        if device.random.chance(device.plan.dup) {
            wait.push((
                now + device.random.whole(5, 3_000),
                Outgoing { fault: Some("dup"), ..message.clone() },
            ));
        }
        match device.plan.released_at(now) {
            Some(at) => {
                message.fault = Some("late");
                wait.insert(0, (at, message));
            }
            None => out.push(message),
        }
        for (at, message) in wait {
            self.holds += 1;
            self.held.insert((at, self.holds), message);
        }
    }

    /// Lets the Modbus units move on to `now`; gives those whose registers changed.
    pub fn registers(&mut self, now: i64) -> Vec<Changed> {
        let mut changed = Vec::new();
        if now < self.units_at {
            return changed;
        }
        let passed = (now - self.units_at + UNIT_STEP_MS) as f64;
        self.units_at = now + UNIT_STEP_MS;
        for polled in &mut self.units {
            let random = &mut polled.random;
            let mut moment = Moment { now, device_now: now, random, world: &mut self.world, pace: self.pace };
            let values = polled.unit.pass(&mut moment, passed.min(5_000.0));
            let (registers, values) = registers(&polled.sheet, &values);
            if registers != polled.last {
                polled.last = registers.clone();
                changed.push(Changed { name: polled.name.clone(), registers, values });
            }
        }
        changed
    }

    /// Somebody wrote a register or coil of a unit, as in `coil 0`.
    pub fn written(&mut self, unit: u8, register: &str, value: u16, now: i64) {
        if let Some(polled) = self.units.iter_mut().find(|polled| polled.name.unit == unit) {
            let random = &mut polled.random;
            let mut moment = Moment { now, device_now: now, random, world: &mut self.world, pace: self.pace };
            polled.unit.written(register, value, &mut moment);
            // Seen by whoever reads it next.
            self.units_at = now;
        }
    }
}
