//! `orderly redecode`: what a changed profile would make of the messages in the journal. It only shows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use orderly_core::ids::{DeviceId, FirmwareId};
use orderly_core::output::DeviceRow;
use orderly_core::overlay::{lay_over, split};
use orderly_core::profile::{Codec, Input, NO_FIRMWARE, Profile};
use orderly_core::reading::Reading;
use orderly_core::record::{ConfigKind, Flags, Kind, Record, Seq};
use orderly_core::redecode::{Diff, Told, Version, Versions};
use orderly_core::time::{Clock, Timestamp};
use orderly_core::topic::{Leaf, Topic};
use orderly_store::disk::RealDisk;
use orderly_store::journal;
use orderly_store::series::SeriesReader;
use orderly_store::state::{QuarantineFilter, StateReader};

use super::args::Redecode;
use super::decode::profile;
use super::{Context, Failure, Lang, out};
use crate::runtime::clock::SystemClock;

/// So many readings of the history are held at once.
const WINDOW: usize = 20_000;
/// So many rows of quarantine are read at once.
const PAGE: usize = 10_000;

/// Compares the history with what a profile makes of the same messages, and prints what would change.
pub fn redecode(context: &Context, what: &Redecode) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    let profile = Arc::new(as_in_force(profile(context, &what.profile)?, &settings.data_dir)?);
    if *profile.codec() == Codec::Line {
        return Err(Failure::Other(
            context.lang.pick("行协议的消息不能重新解码", "line protocol is not decoded again").to_owned(),
        ));
    }
    let dir = settings.data_dir.join("journal");
    let mut versions = Versions::default();
    if !profile.variants().is_empty() {
        let mut note = |record: &Record<'_>| versions.note(record);
        journal::dump(&RealDisk, &dir, 1, u64::MAX, &mut note).map_err(Failure::because)?;
    }
    let mut again = Again::open(&settings.data_dir, profile, versions, what).map_err(Failure::Other)?;
    let from = what.from.max(1);
    let mut failed = None;
    let mut one = |record: &Record<'_>| {
        if failed.is_none() {
            failed = again.record(record).err();
        }
    };
    journal::dump(&RealDisk, &dir, from, u64::MAX, &mut one).map_err(Failure::because)?;
    match failed {
        Some(why) => Err(Failure::Other(why)),
        None => {
            again.print(context.lang);
            Ok(())
        }
    }
}

/// A profile with what the site has laid over the one of its name that is in force.
fn as_in_force(profile: Profile, dir: &Path) -> Result<Profile, Failure> {
    let texts = StateReader::open(dir).and_then(|state| state.texts()).map_err(Failure::because)?;
    let what = ConfigKind::Profile(profile.id().clone());
    let in_force = texts.iter().find(|row| row.what == what).and_then(|row| row.text.as_deref());
    let layers = in_force.map(|text| split(text).1).unwrap_or_default();
    if layers.is_empty() || !split(profile.text()).1.is_empty() {
        return Ok(profile);
    }
    let laid =
        |text: String, layer: &orderly_core::overlay::Layer<'_>| lay_over(&text, layer.name, layer.text);
    let text = layers.iter().fold(profile.text().to_string(), laid);
    Profile::parse(&text, profile.id().as_str())
        .map_err(|found| Failure::Other(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// The messages of one profile, read again.
struct Again {
    profile: Arc<Profile>,
    /// The devices that have it, and the version of the firmware of each on the register.
    devices: BTreeMap<DeviceId, Option<FirmwareId>>,
    /// The versions that they had before.
    versions: Versions,
    only: Option<DeviceId>,
    since: Timestamp,
    series: SeriesReader,
    /// The history has all records up to here.
    applied: Seq,
    /// Readings of the records up to `through`.
    window: HashMap<Seq, Vec<Reading>>,
    through: Seq,
    /// Why something of a record stands in quarantine.
    quarantined: HashMap<Seq, String>,
    diff: Diff,
    met: HashSet<DeviceId>,
    /// Records that are too young for the history.
    young: u64,
    /// Records that are sealed: what they say is not looked at here.
    sealed: u64,
}

impl Again {
    fn open(dir: &Path, profile: Arc<Profile>, versions: Versions, what: &Redecode) -> Result<Self, String> {
        let state = StateReader::open(dir).map_err(|e| e.to_string())?;
        let series = SeriesReader::open(dir).map_err(|e| e.to_string())?;
        let rows = state.devices().map_err(|e| e.to_string())?;
        let has = |row: &DeviceRow| row.profile == *profile.id();
        let of = |row: DeviceRow| (row.device, row.firmware);
        let devices: BTreeMap<_, _> = rows.into_iter().filter(has).map(of).collect();
        let now = SystemClock::start().map_err(|e| e.to_string())?.now().wall.0;
        let ago = what.since.map_or(now, |span| i64::try_from(span.0.as_millis()).unwrap_or(now));
        Ok(Self {
            diff: Diff::of(what.examples, &profile),
            devices,
            versions,
            only: what.device.clone(),
            since: Timestamp(now.saturating_sub(ago)),
            applied: series.applied().map_err(|e| e.to_string())?,
            series,
            window: HashMap::new(),
            through: 0,
            quarantined: quarantined(&state)?,
            met: HashSet::new(),
            young: 0,
            sealed: 0,
            profile,
        })
    }

    /// Compares a record, if it is a message of the profile.
    fn record(&mut self, record: &Record<'_>) -> Result<(), String> {
        let entry = &record.entry;
        let plain = !entry.flags.has(Flags::OVERSIZE) && !entry.flags.has(Flags::LINE_PROTOCOL);
        if entry.kind != Kind::Envelope || !plain || record.now.wall < self.since {
            return Ok(());
        }
        if entry.flags.has(Flags::SEALED) {
            self.sealed += 1;
            return Ok(());
        }
        let input = Input {
            address: entry.address,
            payload: entry.body,
            received_at: record.now.wall,
            flags: entry.flags,
        };
        let Some((device, firmware)) = self.whose(input) else { return Ok(()) };
        if self.only.as_ref().is_some_and(|only| *only != device) {
            return Ok(());
        }
        if record.seq > self.applied {
            self.young += 1;
            return Ok(());
        }
        if record.seq > self.through {
            self.look(record.seq)?;
        }
        let kept = self.window.remove(&record.seq).unwrap_or_default();
        let told = Told {
            seq: record.seq,
            device: &device,
            received_at: record.now.wall,
            kept: &kept,
            refused: self.quarantined.get(&record.seq).map(String::as_str),
        };
        match self.versions.at(&device, record.seq, firmware.as_ref()) {
            Version::Entered(firmware) => {
                self.diff.compare(told, self.profile.decode_for(input, firmware));
            }
            // The message may tell it itself.
            Version::Untold => match self.profile.decode_for(input, None) {
                Err(error) if error.code == NO_FIRMWARE => self.diff.unversioned += 1,
                decoded => self.diff.compare(told, decoded),
            },
        }
        self.met.insert(device);
        Ok(())
    }

    /// The device of a message and its firmware, if it is a message that this profile reads.
    fn whose(&self, input: Input<'_>) -> Option<(DeviceId, Option<FirmwareId>)> {
        let known = |name: &str| {
            let (device, firmware) = self.devices.get_key_value(name)?;
            Some((device.clone(), firmware.clone()))
        };
        if let Ok(topic) = Topic::parse(input.address) {
            return known(topic.device)
                .filter(|_| matches!(topic.leaf, Leaf::Up(_)) && !topic.leaf.is_claim());
        }
        let pattern = self.profile.matching().topic.as_ref()?;
        pattern.matches(input.address)?;
        if let Some(device) = self.profile.device_on(input.address) {
            return known(device);
        }
        if let Some(device) = self.profile.names(input) {
            return known(device.as_str());
        }
        let decoded = self.profile.decode(input).ok()?;
        known(decoded.first()?.device.as_ref()?.as_str())
    }

    /// Reads the history from a record on.
    fn look(&mut self, from: Seq) -> Result<(), String> {
        let (readings, through) =
            self.series.range_by_origin(from, self.applied, WINDOW).map_err(|e| e.to_string())?;
        let replaced = self.series.replaced_by_origin(from, through).map_err(|e| e.to_string())?;
        self.window.clear();
        for reading in readings.into_iter().chain(replaced) {
            self.window.entry(reading.origin.seq).or_default().push(reading);
        }
        self.through = through;
        Ok(())
    }

    fn print(&self, lang: Lang) {
        let Diff { messages, same, changed, readable, unreadable, refused, unknown, .. } = &self.diff;
        let (id, devices) = (self.profile.id(), self.met.len());
        out::line(&match lang {
            Lang::Zh => format!("{id}：{devices} 台设备的 {messages} 条消息"),
            Lang::En => format!("{id}: {messages} messages of {devices} devices"),
        });
        out::line(&match lang {
            Lang::Zh => format!(
                "  不变 {same}，有变化 {changed}，将被拒绝 {refused}；隔离区中可读出 {readable}，仍不可读 {unreadable}；\
                 历史中没有 {unknown}（重复或已过保留期）"
            ),
            Lang::En => format!(
                "  {same} stay, {changed} would change, {refused} would be refused; of those in quarantine {readable} \
                 could be read and {unreadable} not; {unknown} are not in the history (repeats, or past its retention)"
            ),
        });
        for (code, count) in &self.diff.elsewhere {
            out::line(&match lang {
                Lang::Zh => format!("  隔离区中另有 {count} 条与档案无关（{code}），档案改了也读不出"),
                Lang::En => {
                    format!("  {count} more in quarantine are there for {code}, which no profile changes")
                }
            });
        }
        if self.diff.unversioned > 0 {
            let count = self.diff.unversioned;
            out::line(&match lang {
                Lang::Zh => format!("  {count} 条当时的固件版本已不可考，未予比较"),
                Lang::En => format!(
                    "  {count} are of a version of the firmware that the journal no longer tells, and were not compared"
                ),
            });
        }
        if self.sealed > 0 {
            out::line(&match lang {
                Lang::Zh => format!("  日志中 {} 条消息已加密，未予比较", self.sealed),
                Lang::En => {
                    format!("  {} messages of the journal are sealed and were not compared", self.sealed)
                }
            });
        }
        if self.young > 0 {
            out::line(&match lang {
                Lang::Zh => format!("  {} 条太新，尚未进入历史", self.young),
                Lang::En => format!("  {} are too young for the history yet", self.young),
            });
        }
        for (metric, change) in &self.diff.metrics {
            if change.changed + change.added + change.gone == 0 {
                continue;
            }
            out::line(&match lang {
                Lang::Zh => format!(
                    "  {metric}：变化 {}，新增 {}，消失 {}，不变 {}",
                    change.changed, change.added, change.gone, change.same
                ),
                Lang::En => format!(
                    "  {metric}: {} changed, {} new, {} gone, {} the same",
                    change.changed, change.added, change.gone, change.same
                ),
            });
            for example in &change.examples {
                let (before, after) = (example.before.as_deref(), example.after.as_deref());
                out::line(&format!(
                    "    {} {} record {}: {} -> {}",
                    example.received_at,
                    example.device,
                    example.seq,
                    before.unwrap_or("-"),
                    after.unwrap_or("-")
                ));
            }
        }
        for (reason, (count, first)) in &self.diff.reasons {
            out::line(&match lang {
                Lang::Zh => format!("  拒绝 {count} 条，如记录 {first}：{reason}"),
                Lang::En => format!("  {count} refused, as record {first}: {reason}"),
            });
        }
        if self.diff.is_empty() {
            out::line(lang.pick("没有变化", "nothing would change"));
        }
    }
}

/// The records of which something stands in quarantine, and why.
fn quarantined(state: &StateReader) -> Result<HashMap<Seq, String>, String> {
    let mut found = HashMap::new();
    let mut filter = QuarantineFilter { limit: PAGE, ..QuarantineFilter::default() };
    loop {
        let rows = state.quarantine(&filter).map_err(|e| e.to_string())?;
        found.extend(rows.iter().map(|row| (row.seq, row.code.clone())));
        match rows.last() {
            Some(last) if rows.len() == PAGE => filter.before = Some((last.seq, last.index)),
            _ => return Ok(found),
        }
    }
}
