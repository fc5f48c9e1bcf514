//! All simulated things together, as a function of time: who says what when, and what the registers hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use super::faults::{POISON, Plan};
use super::models::{Bay, BpMeter, Cabinet, Dock, GlucoseMeter, Model, Moment, Monitor, Said, Wheelchair};
use super::obey;
use super::options::{Options, Sizes};
use super::random::Random;
use super::units::{Charger, Fridge, PowerBank, Registers, Sign, Unit};
use super::world::{DockState, PARKING_ZONES, World, ZONES};

/// Devices that share one connection.
const GROUP: usize = 500;
/// How often the registers of the Modbus units move on.
const UNIT_STEP_MS: i64 = 500;

/// A message that a device sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Which connection carries it.
    pub group: usize,
    /// The device.
    pub device: Arc<str>,
    /// Its class.
    pub class: &'static str,
    /// The stream.
    pub stream: &'static str,
    /// Counts the messages of the device, from 1; a repeat has the number of the first.
    pub number: u64,
    /// The time that the payload carries.
    pub device_time: Option<i64>,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// What was done to it, if something was.
    pub fault: Option<&'static str>,
}

/// A unit on the Modbus link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitName {
    /// Its unit number.
    pub unit: u8,
    /// The device behind it.
    pub device: Arc<str>,
    /// Its class.
    pub class: &'static str,
}

#[derive(Debug)]
struct Device {
    id: Arc<str>,
    class: &'static str,
    group: usize,
    model: Box<dyn Model>,
    random: Random,
    plan: Plan,
    number: u64,
}

#[derive(Debug)]
struct Polled {
    name: UnitName,
    unit: Box<dyn Unit>,
    random: Random,
    last: Registers,
}

/// The simulated hospital.
#[derive(Debug)]
pub struct Hospital {
    site: String,
    pace: f64,
    devices: Vec<Device>,
    due: BinaryHeap<Reverse<(i64, usize)>>,
    /// Messages that wait: second copies, and those of devices that keep theirs for a while.
    held: BTreeMap<(i64, u64), Outgoing>,
    holds: u64,
    units: Vec<Polled>,
    units_at: i64,
    world: World,
    groups: Vec<String>,
}

impl Hospital {
    /// Sets everything up as it stands at `now`.
    #[must_use]
    pub fn new(options: &Options, now: i64) -> Self {
        let sizes = Sizes::at(options.scale);
        let slots = u32::try_from(sizes.wheelchairs.div_ceil(sizes.docks)).unwrap_or(1) + 2;
        let docks = vec![DockState { slots, ..DockState::default() }; sizes.docks.min(ZONES.len())];
        let mut hospital = Self {
            site: options.site.clone(),
            pace: options.pace.clamp(0.1, 1_000.0),
            devices: Vec::new(),
            due: BinaryHeap::new(),
            held: BTreeMap::new(),
            holds: 0,
            units: Vec::new(),
            units_at: now,
            world: World { docks, ..World::default() },
            groups: Vec::new(),
        };
        let crisis = |n: usize| (options.incidents && n == 0).then_some(now + 15_000);
        hospital.add(options, now, "bp_meter", "bp", 4, sizes.bp_meters, |m, n| {
            Box::new(BpMeter::new(m, crisis(n)))
        });
        hospital.add(options, now, "glucose_meter", "gm", 4, sizes.glucose_meters, |m, _| {
            Box::new(GlucoseMeter::new(m))
        });
        hospital
            .add(options, now, "bedside_monitor", "bed", 4, sizes.monitors, |m, _| Box::new(Monitor::new(m)));
        hospital.add(options, now, "wheelchair", "wc", 3, sizes.wheelchairs, |m, n| {
            Box::new(Wheelchair::new(m, n))
        });
        hospital.add(options, now, "wheelchair_dock", "dock", 2, sizes.docks, |_, n| Box::new(Dock::new(n)));
        let flap = options.faults.flap;
        hospital.add(options, now, "parking_sensor", "bay", 4, sizes.bays, |m, n| {
            let flaps = flap && (n == 1 || m.random.chance(0.005));
            Box::new(Bay::new(m, n, flaps))
        });
        hospital
            .add(options, now, "drug_cabinet", "cab", 2, sizes.cabinets, |m, _| Box::new(Cabinet::new(m)));
        if options.incidents {
            hospital.silence_last("drug_cabinet", now + 12_000);
        }
        hospital.add_units(options, &sizes, now);
        hospital
    }

    #[expect(clippy::too_many_arguments, reason = "one row of the table of devices above")]
    fn add(
        &mut self,
        options: &Options,
        now: i64,
        class: &'static str,
        prefix: &str,
        digits: usize,
        count: usize,
        make: impl Fn(&mut Moment<'_>, usize) -> Box<dyn Model>,
    ) {
        for n in 0..count {
            if n % GROUP == 0 {
                self.groups.push(format!("{class}-{}", n / GROUP));
            }
            let id = format!("{prefix}-{:0digits$}", n + 1);
            let mut random = Random::new(options.seed, &id);
            let plan = Plan::new(options.faults, class, now, &mut random);
            let world = &mut self.world;
            let mut moment = Moment { now, device_now: now, random: &mut random, world, pace: self.pace };
            let model = make(&mut moment, n);
            self.due.push(Reverse((now, self.devices.len())));
            let (id, group) = (Arc::from(id), self.groups.len() - 1);
            self.devices.push(Device { id, class, group, model, random, plan, number: 0 });
        }
    }

    fn silence_last(&mut self, class: &str, at: i64) {
        if let Some(device) = self.devices.iter_mut().rev().find(|device| device.class == class) {
            device.plan.dead_at = Some(at);
        }
    }

    fn add_units(&mut self, options: &Options, sizes: &Sizes, now: i64) {
        let excursion = options.incidents.then_some((now + 20_000, now + 300_000));
        let bays = u32::try_from(sizes.bays / PARKING_ZONES).unwrap_or(0);
        for n in 0..sizes.fridges {
            self.add_unit(options, "cold_store", format!("fridge-{:02}", n + 1), |random| {
                Box::new(Fridge::new(random, excursion.filter(|_| n == 0)))
            });
        }
        for n in 0..sizes.signs {
            self.add_unit(options, "guidance_sign", format!("sign-{:02}", n + 1), |_| {
                Box::new(Sign::new(n, bays))
            });
        }
        for n in 0..sizes.powerbanks {
            let id = format!("pb-{:02}", n + 1);
            self.add_unit(options, "powerbank_cabinet", id, |random| Box::new(PowerBank::new(random)));
        }
        for n in 0..sizes.chargers {
            let id = format!("charger-{:02}", n + 1);
            self.add_unit(options, "charger", id, |random| Box::new(Charger::new(random)));
        }
    }

    fn add_unit(
        &mut self,
        options: &Options,
        class: &'static str,
        id: String,
        make: impl FnOnce(&mut Random) -> Box<dyn Unit>,
    ) {
        let mut random = Random::new(options.seed, &id);
        let unit = make(&mut random);
        let number = u8::try_from(self.units.len() + 1).unwrap_or(247);
        let name = UnitName { unit: number, device: Arc::from(id), class };
        self.units.push(Polled { name, unit, random, last: Registers::default() });
    }

    /// What the devices of a group hear.
    #[must_use]
    pub fn filters(&self, group: usize) -> Vec<String> {
        let hearing = self.devices.iter().filter(|device| device.group == group && obey::hears(device.class));
        let filter =
            |device: &Device| format!("orderly/v1/{}/{}/{}/cmd/+", self.site, device.class, device.id);
        hearing.take(obey::MOST).map(filter).collect()
    }

    /// Names of the connections, by group.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The units on the Modbus link, as a configuration names them.
    pub fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.units.iter().map(|polled| &polled.name)
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
            self.release(at, &mut out);
            if let Some(next) = self.ask(index, at, &mut out) {
                self.due.push(Reverse((next.max(at + 1), index)));
            }
        }
        self.release(now, &mut out);
        out
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
        let topic = format!("orderly/v1/{}/{}/{}/up/{}", self.site, device.class, device.id, said.stream);
        let mut message = Outgoing {
            group: device.group,
            device: Arc::clone(&device.id),
            class: device.class,
            stream: said.stream,
            number: device.number,
            device_time: said.device_time,
            topic,
            payload: said.body.to_string().into_bytes(),
            fault: (device.plan.clock_off_ms != 0).then_some("clock"),
        };
        let mut wait = Vec::new();
        if device.random.chance(device.plan.poison) {
            let payload = POISON[usize::try_from(device.random.bits() % POISON.len() as u64).unwrap_or(0)];
            let poison = Outgoing {
                payload: payload.to_vec(),
                fault: Some("poison"),
                device_time: None,
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
    pub fn registers(&mut self, now: i64) -> Vec<(UnitName, Registers)> {
        let mut changed = Vec::new();
        if now < self.units_at {
            return changed;
        }
        let passed = (now - self.units_at + UNIT_STEP_MS) as f64;
        self.units_at = now + UNIT_STEP_MS;
        for polled in &mut self.units {
            polled.unit.pass(now, passed.min(5_000.0), &mut polled.random, &self.world, self.pace);
            let registers = polled.unit.registers();
            if registers != polled.last {
                polled.last = registers.clone();
                changed.push((polled.name.clone(), registers));
            }
        }
        changed
    }
}
