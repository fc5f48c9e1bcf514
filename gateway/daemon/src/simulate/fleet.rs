//! Who is in the simulated hospital: so many of each class, and one of each model of a maker if they are wanted.

use std::cmp::Reverse;
use std::sync::Arc;

use super::faults::Plan;
use super::frame::{Frame, Sheet, shipped};
use super::hospital::{Device, Hospital, Polled};
use super::models::{Bay, BpMeter, Cabinet, Dock, GlucoseMeter, Model, Moment, Monitor, Wheelchair};
use super::options::{Options, Sizes};
use super::outgoing::{Group, UnitName};
use super::random::Random;
use super::scene::{Scene, Script, all};
use super::units::{Charger, Fridge, PowerBank, Registers, Sign, Unit};
use super::world::PARKING_ZONES;

/// Devices that share one connection.
const GROUP: usize = 500;
/// One Modbus link has so many unit numbers.
const UNITS: usize = 247;

/// Devices of one model.
struct Kind<'k> {
    sheet: &'k Arc<Sheet>,
    prefix: &'k str,
    digits: usize,
    count: usize,
    /// They must be put on the register before they speak.
    made: bool,
}

/// Makes one device; the number counts from 0.
type MakeModel<'k> = dyn Fn(&mut Moment<'_>, usize) -> Box<dyn Model> + 'k;
type MakeUnit<'k> = dyn Fn(&mut Moment<'_>, usize) -> Box<dyn Unit> + 'k;

/// Puts everybody into an empty hospital.
///
/// # Errors
/// A profile or a script that cannot be read.
pub(super) fn fill(hospital: &mut Hospital, options: &Options, now: i64) -> Result<(), String> {
    let sheets = shipped()?;
    let sheet = |id: &str| sheets.get(id).ok_or_else(|| format!("no profile {id:?} is shipped"));
    let sizes = Sizes::at(options.scale);
    let mut fleet = Fleet { hospital, options, now };

    let crisis = |n: usize| (options.incidents && n == 0).then_some(now + 15_000);
    let flap = options.faults.flap;
    let bay = |m: &mut Moment<'_>, n: usize| -> Box<dyn Model> {
        let flaps = flap && (n == 1 || m.random.chance(0.005));
        Box::new(Bay::new(m, n, flaps))
    };
    let programmed: [(&str, &str, usize, usize, &MakeModel<'_>); 7] = [
        ("orderly-bp-1", "bp", 4, sizes.bp_meters, &|m, n| Box::new(BpMeter::new(m, crisis(n), false))),
        ("orderly-gm-1", "gm", 4, sizes.glucose_meters, &|m, _| Box::new(GlucoseMeter::new(m, false))),
        ("orderly-bm-1", "bed", 4, sizes.monitors, &|m, _| Box::new(Monitor::new(m))),
        ("orderly-wc-1", "wc", 3, sizes.wheelchairs, &|m, n| Box::new(Wheelchair::new(m, n))),
        ("orderly-wd-1", "dock", 2, sizes.docks, &|_, n| Box::new(Dock::new(n))),
        ("orderly-ps-1", "bay", 4, sizes.bays, &bay),
        ("orderly-dc-1", "cab", 2, sizes.cabinets, &|m, _| Box::new(Cabinet::new(m))),
    ];
    for (profile, prefix, digits, count, make) in programmed {
        fleet.add(&Kind { sheet: sheet(profile)?, prefix, digits, count, made: false }, make);
    }
    if options.incidents {
        fleet.hospital.silence_last("drug_cabinet", now + 12_000);
    }

    let excursion = options.incidents.then_some((now + 20_000, now + 300_000));
    let bays = u32::try_from(sizes.bays / PARKING_ZONES).unwrap_or(0);
    let polled: [(&str, &str, usize, &MakeUnit<'_>); 4] = [
        ("orderly-cs-1", "fridge", sizes.fridges, &|m, n| {
            Box::new(Fridge::new(m.random, excursion.filter(|_| n == 0)))
        }),
        ("orderly-gs-1", "sign", sizes.signs, &|_, n| Box::new(Sign::new(n, bays))),
        ("orderly-pb-1", "pb", sizes.powerbanks, &|m, _| Box::new(PowerBank::new(m.random))),
        ("orderly-ch-1", "charger", sizes.chargers, &|m, _| Box::new(Charger::new(m.random))),
    ];
    for (profile, prefix, count, make) in polled {
        fleet.poll(&Kind { sheet: sheet(profile)?, prefix, digits: 2, count, made: false }, make);
    }

    let scripts = all()?;
    for script in &scripts {
        let count = ((script.full * options.scale).round() as usize).max(1);
        let own = script.profile.iter().map(|id| (id, count, false));
        let makers = script.makers.iter().filter(|_| options.makers).map(|id| (id, 1, true));
        for (id, count, made) in own.chain(makers) {
            let sheet = sheet(id)?;
            if sheet.class != script.class {
                return Err(format!("{id:?} is no profile of the class {:?}", script.class));
            }
            let prefix = if made { id } else { &script.prefix };
            fleet.act(&Kind { sheet, prefix, digits: 3, count, made }, script);
        }
    }
    if options.makers {
        let programmed: [(&str, &MakeModel<'_>); 8] = [
            ("bosch-tps110", &bay),
            ("nwave-nps405", &bay),
            ("and-ua651ble", &|m, _| Box::new(BpMeter::new(m, None, true))),
            ("omron-evolv", &|m, _| Box::new(BpMeter::new(m, None, true))),
            ("openmhealth-blood-pressure", &|m, _| Box::new(BpMeter::new(m, None, true))),
            ("ascensia-contour-next-one", &|m, _| Box::new(GlucoseMeter::new(m, true))),
            ("roche-accu-chek-guide", &|m, _| Box::new(GlucoseMeter::new(m, true))),
            ("openmhealth-blood-glucose", &|m, _| Box::new(GlucoseMeter::new(m, true))),
        ];
        for (id, make) in programmed {
            fleet.add(&Kind { sheet: sheet(id)?, prefix: id, digits: 1, count: 1, made: true }, make);
        }
    }
    Ok(())
}

struct Fleet<'h> {
    hospital: &'h mut Hospital,
    options: &'h Options,
    now: i64,
}

impl Fleet<'_> {
    /// Devices that go through a script.
    fn act(&mut self, kind: &Kind<'_>, script: &Arc<Script>) {
        let stream = if kind.sheet.stream == "state" { "state" } else { "reading" };
        if kind.sheet.is_polled() {
            self.poll(kind, &|moment, _| Box::new(Scene::new(script, stream, moment)));
        } else {
            self.add(kind, &|moment, _| Box::new(Scene::new(script, stream, moment)));
        }
    }

    /// Devices that publish.
    fn add(&mut self, kind: &Kind<'_>, make: &MakeModel<'_>) {
        let (options, now) = (self.options, self.now);
        for n in 0..kind.count {
            let broker = kind.made && options.broker.is_some();
            let Some(frame) = Frame::new(kind.sheet, now, broker) else { continue };
            if kind.sheet.reads_topic && !frame.is_foreign() {
                // Half of what it says stands in the topic of a broker.
                continue;
            }
            let hospital = &mut *self.hospital;
            let group = if frame.is_foreign() {
                hospital.group("makers", 0, true)
            } else {
                hospital.group(if kind.made { "own" } else { &kind.sheet.class }, n / GROUP, false)
            };
            let plain = format!("{}-{:0digits$}", kind.prefix, n + 1, digits = kind.digits);
            let id: Arc<str> = Arc::from(frame.name(&plain, hospital.devices.len() % 256));
            let mut random = Random::new(options.seed, &plain);
            let plan = Plan::new(options.faults, &kind.sheet.class, now, &mut random);
            let mut moment = hospital.moment(now, &mut random);
            let model = make(&mut moment, n);
            let at = hospital.devices.len();
            hospital.due.push(Reverse((now, at)));
            hospital.by_name.insert(Arc::clone(&id), at);
            let class = Arc::from(kind.sheet.class.as_str());
            hospital.devices.push(Device {
                id,
                class,
                group,
                frame,
                model,
                random,
                plan,
                number: 0,
                due_at: now,
                made: kind.made,
            });
        }
    }

    /// Devices that are polled.
    fn poll(&mut self, kind: &Kind<'_>, make: &MakeUnit<'_>) {
        for n in 0..kind.count {
            let Some(unit) =
                u8::try_from(self.hospital.units.len() + 1).ok().filter(|u| usize::from(*u) <= UNITS)
            else {
                return;
            };
            let id = format!("{}-{:0digits$}", kind.prefix, n + 1, digits = kind.digits);
            let mut random = Random::new(self.options.seed, &id);
            let mut moment = self.hospital.moment(self.now, &mut random);
            let made = make(&mut moment, n);
            let name = UnitName {
                unit,
                device: Arc::from(id),
                class: Arc::from(kind.sheet.class.as_str()),
                profile: Arc::from(kind.sheet.id.as_str()),
                stream: Arc::from(kind.sheet.stream.as_str()),
            };
            self.hospital.units.push(Polled {
                name,
                sheet: Arc::clone(kind.sheet),
                unit: made,
                random,
                last: Registers::default(),
            });
        }
    }
}

impl Hospital {
    /// The connection of this name and number; it is made when it is new.
    fn group(&mut self, name: &str, number: usize, foreign: bool) -> usize {
        let name = format!("{name}-{number}");
        let known = self.groups.iter().position(|group| group.name == name);
        known.unwrap_or_else(|| {
            self.groups.push(Group { name, foreign });
            self.groups.len() - 1
        })
    }

    fn silence_last(&mut self, class: &str, at: i64) {
        if let Some(device) = self.devices.iter_mut().rev().find(|device| &*device.class == class) {
            device.plan.dead_at = Some(at);
        }
    }
}
