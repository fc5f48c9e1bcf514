//! T11 and T12: bytes per value kept, and how fast the local history answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use orderly_core::ids::{ClassId, DeviceId, MetricId, StreamId, ZoneId};
use orderly_core::reading::{Marks, Measured, Origin, Reading};
use orderly_core::time::Timestamp;
use orderly_core::value::{Quality, Value};
use orderly_store::series::{Query, SeriesReader, SeriesStore};

use crate::flood::now;
use crate::measure::{self, quantile};
use crate::report::{Figure, Goal, Report};

/// Midnight.
const T0: i64 = 1_789_948_800_000;
/// Seconds of a day.
const DAY: usize = 86_400;
/// Readings that are taken in at once.
const AT_ONCE: usize = 2_000;
/// Series of which the latest value is asked for.
const SERIES: usize = 100_000;

/// Times that a question is asked.
const ASKED: usize = 9;

/// Measures all.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = measure::folder()?;
    let vitals = day(dir.path(), 2, 10, 1_000, false)?;
    let mut reader = SeriesReader::open(dir.path())?;
    let query = Query { metrics: vec![MetricId::new("m0")?], ..Query::all(DeviceId::new("d-0")?) };
    let mut points = Vec::new();
    let read = median(|| {
        points = reader.points(&query)?;
        Ok(())
    })?;
    anyhow::ensure!(points.len() == DAY, "{} of {DAY} points", points.len());
    let bare = unpack()?;
    let dir = measure::folder()?;
    let states = day(dir.path(), 20, 8, 10_000, true)?;
    let latest = latest()?;

    let mut add = |what: &str, value, unit, limit, goal| {
        report.add(Figure { what: what.to_owned(), value, unit, limit, goal });
    };
    let of = "entropy of the steps";
    add("T11 bytes per value, vitals", vitals.kept, "B", (vitals.entropy, of), Goal::at_most(2.0, 1.4));
    add("T11 bytes per value, states", states.kept, "B", (states.entropy, of), Goal::at_most(0.5, 0.2));
    let of = "unpacking the two columns";
    add("T12 one series-day, 86,400 points", read.clock, "ms", (bare.clock, of), Goal::at_most(5.0, 2.0));
    let of = "SQLite walks the table";
    add(
        "T12 latest value of 100,000 series",
        latest.again.clock,
        "ms",
        (latest.bare.clock, of),
        Goal::at_most(50.0, 10.0),
    );
    println!(
        "      on the processor: series-day {:.1} ms, latest {:.1} ms; latest on a new connection, names read first: {:.1} ms",
        read.cpu, latest.again.cpu, latest.first
    );
    Ok(())
}

/// Milliseconds of the median of some runs, by the clock and on the processor.
#[derive(Debug, Clone, Copy)]
struct Median {
    clock: f64,
    cpu: f64,
}

fn median(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Median> {
    let (mut clock, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..ASKED {
        let (started, used) = (now(), measure::own_cpu_ms());
        work()?;
        clock.push(started.elapsed().as_secs_f64() * 1_000.0);
        cpu.push(measure::own_cpu_ms() - used);
    }
    Ok(Median { clock: quantile(&mut clock, 0.5), cpu: quantile(&mut cpu, 0.5) })
}

/// What it takes to unpack a day of times and numbers and nothing else.
fn unpack() -> anyhow::Result<Median> {
    let mut dice = Dice(11);
    let mut level = 360;
    let (mut times, mut numbers) = (Vec::with_capacity(DAY), Vec::with_capacity(DAY));
    for second in 0..DAY {
        times.push(T0 + i64::try_from(second)? * 1_000);
        numbers.push(dice.walk(&mut level));
    }
    let config = pco::ChunkConfig::default();
    let times = pco::standalone::simple_compress(&times, &config)?;
    let numbers = pco::standalone::simple_compress(&numbers, &config)?;
    median(|| {
        let times = pco::standalone::simple_decompress::<i64>(&times)?;
        let numbers = pco::standalone::simple_decompress::<f64>(&numbers)?;
        anyhow::ensure!(times.len() == DAY && numbers.len() == DAY);
        Ok(())
    })
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// The next number of a vital sign in tenths: it mostly stays, or moves by a little.
    fn walk(&mut self, level: &mut u64) -> f64 {
        if self.roll(3) == 0 {
            *level = (*level + self.roll(5)).saturating_sub(2).clamp(300, 2_000);
        }
        *level as f64 / 10.0
    }
}

/// A day of some devices.
#[derive(Debug, Clone, Copy)]
struct Day {
    /// Bytes of the sealed file for each value, roll-ups and everything else included.
    kept: f64,
    /// Bytes that no code can go below which looks at one step of a series at a time, times not counted.
    entropy: f64,
}

/// Takes in a day of some devices and seals it.
fn day(dir: &Path, devices: usize, metrics: usize, every_ms: i64, states: bool) -> anyhow::Result<Day> {
    let total = devices * DAY * 1_000 / usize::try_from(every_ms)?;
    let mut levels = vec![vec![360_u64; metrics]; devices];
    let mut dice = Dice(11);
    let mut store = SeriesStore::open(dir)?;
    let names: Vec<MetricId> =
        (0..metrics).map(|m| MetricId::new(&format!("m{m}"))).collect::<Result<_, _>>()?;
    let tokens: [Arc<str>; 2] = ["free".into(), "occupied".into()];
    let mut batch = Vec::with_capacity(AT_ONCE);
    let mut steps = BTreeMap::<i64, f64>::new();
    for n in 0..total {
        let at = T0 + i64::try_from(n / devices)? * every_ms;
        let mut values = Vec::with_capacity(metrics);
        for (name, level) in names.iter().zip(&mut levels[n % devices]) {
            let before = i64::try_from(*level)?;
            let value = if states {
                *level ^= u64::from(dice.roll(300) == 0);
                Value::State(Arc::clone(&tokens[usize::from(*level % 2 == 1)]))
            } else {
                Value::Number(dice.walk(level))
            };
            let step = i64::try_from(*level)? - before;
            // A state that changes can only change to the other one.
            *steps.entry(if states { step.abs() } else { step }).or_default() += 1.0;
            values.push((name.clone(), value));
        }
        let seq = u64::try_from(n)? + 1;
        batch.push(reading(seq, n % devices, at, dice.roll(30), values)?);
        if batch.len() == AT_ONCE || n + 1 == total {
            store.apply(batch[0].origin.seq, seq, &batch)?;
            while store.seal(Timestamp(at))?.more {}
            batch.clear();
        }
    }
    while store.seal(Timestamp(i64::MAX))?.more {}
    store.flush()?;
    drop(store);
    let bytes = std::fs::metadata(dir.join("series.db"))?.len();
    let values = (total * metrics) as f64;
    let bits: f64 = steps.values().map(|n| -n / values * (n / values).log2()).sum();
    Ok(Day { kept: bytes as f64 / values, entropy: bits / 8.0 })
}

fn reading(
    seq: u64,
    device: usize,
    at: i64,
    delay: u64,
    values: Vec<(MetricId, Value)>,
) -> anyhow::Result<Reading> {
    Ok(Reading {
        origin: Origin { seq, index: 0 },
        device: DeviceId::new(&format!("d-{device}"))?,
        class: ClassId::new("bedside_monitor")?,
        epoch: 0,
        stream: StreamId::new("vitals")?,
        device_time: Some(Timestamp(at)),
        taken_at: Timestamp(at),
        received_at: Timestamp(at + 5 + i64::try_from(delay)?),
        sequence: Some(seq),
        offset_ns: u32::try_from(seq % 1_000_000)?,
        profile: 7,
        marks: Marks::default(),
        replaces: None,
        zone: Some(ZoneId::new("icu-1")?),
        values: values
            .into_iter()
            .map(|(metric, value)| Measured {
                metric,
                value,
                unit: "".into(),
                quality: Quality::Good,
                reason: None,
                raw: None,
            })
            .collect(),
    })
}

/// The latest value of many series: milliseconds.
#[derive(Debug, Clone, Copy)]
struct Latest {
    /// On a new connection.
    first: f64,
    /// On one that knows the names.
    again: Median,
    /// Only walking over the table.
    bare: Median,
}

fn latest() -> anyhow::Result<Latest> {
    let dir = measure::folder()?;
    let mut store = SeriesStore::open(dir.path())?;
    for part in 0..SERIES / 10_000 {
        let batch = (part * 10_000..(part + 1) * 10_000)
            .map(|n| {
                let seq = u64::try_from(n)? + 1;
                reading(seq, n, T0, 1, vec![(MetricId::new("occupied")?, Value::State("free".into()))])
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        store.apply(batch[0].origin.seq, u64::try_from((part + 1) * 10_000)?, &batch)?;
    }
    store.flush()?;
    let mut reader = SeriesReader::open(dir.path())?;
    let started = now();
    let found = reader.latest_all()?.len();
    let first = started.elapsed().as_secs_f64() * 1_000.0;
    anyhow::ensure!(found == SERIES, "{found} of {SERIES} series");
    let again = median(|| reader.latest_all().map(drop).map_err(Into::into))?;
    let db = rusqlite::Connection::open(dir.path().join("series.db"))?;
    let bare = median(|| {
        let mut statement = db.prepare_cached("SELECT stream, blob FROM latest ORDER BY stream")?;
        let mut rows = statement.query([])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row.get::<_, i64>(0)?.unsigned_abs() as usize + row.get_ref(1)?.as_blob()?.len();
        }
        anyhow::ensure!(bytes > 0, "the table is empty");
        Ok(())
    })?;
    Ok(Latest { first, again, bare })
}
