//! Opens what a power cut left, by the ordinary code, and says what is lost, doubled or half done.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use orderly_core::dedupe::{Lookup, matches};
use orderly_core::engine::Engine;
use orderly_core::output::Snapshot;
use orderly_core::reading::{Marks, Reading};
use orderly_core::record::Seq;
use orderly_core::rule::is_kept_exactly;
use orderly_store::audit::{self, Verdict};
use orderly_store::series::{Query, SeriesReader};

use crate::powercut_model::Model;
use crate::powercut_plan::{Plan, Step, settings};
use crate::powercut_play::{Mutant, Player, Stores, Told};

/// What was found in good order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Transactions in `state.db`.
    pub transactions: usize,
    /// Readings in `series.db`, once the stored batches were applied again.
    pub readings: usize,
    /// Of those, how many had to come from the stored batches.
    pub applied_again: usize,
}

/// Which transaction the file is at: the one told last, or the one that was under way.
///
/// # Errors
/// When it is neither, wholly: something acknowledged is lost, or something is half done.
pub fn place(plan: &Plan, found: &Model, told: usize) -> anyhow::Result<usize> {
    let expected = |n: usize| plan.models.get(n).filter(|m| m.differs(found).is_empty());
    if let Some(n) = [told, told + 1].into_iter().find(|n| expected(*n).is_some()) {
        return Ok(n);
    }
    if let Some(n) = (0..plan.models.len()).rev().find(|n| expected(*n).is_some()) {
        bail!("{told} transactions were acknowledged and {n} are there: lost");
    }
    let nearest =
        plan.models.iter().rposition(|m| m.cursor == found.cursor && m.commit_no == found.commit_no);
    let parts = nearest.map(|n| (n, plan.models[n].differs(found)));
    bail!("half done, {told} transactions were acknowledged: at {} the nearest is {parts:?}", found.cursor)
}

/// Opens the stores after a failure and gives where to go on: at what was told last, or at what was under way.
///
/// # Errors
/// The outer one: the stores cannot be opened now. The inner one: something is lost or half done.
pub fn take_up(
    plan: &Plan,
    dir: &Path,
    told: usize,
    alone: bool,
) -> anyhow::Result<anyhow::Result<(Stores, Snapshot, usize)>> {
    let (stores, snapshot) = Stores::open(dir, alone)?;
    let found = Model::read(dir, &snapshot)?;
    Ok(place(plan, &found, told).map(|done| (stores, snapshot, done)))
}

/// Checks the directory; `told` is what had been acknowledged when the power went.
///
/// # Errors
/// With what is wrong.
pub fn judge(plan: &Plan, dir: &Path, told: Told, go_on: bool) -> anyhow::Result<Found> {
    let (mut stores, snapshot) = Stores::open(dir, false)?;
    let mut found = Found {
        transactions: place(plan, &Model::read(dir, &snapshot)?, told.transactions)?,
        ..Found::default()
    };
    let model = &plan.models[found.transactions];
    let applied = stores.others.as_ref().map_or(0, |(series, _)| series.applied());
    ensure!(applied >= told.flushed, "series.db was flushed up to {} and is at {applied}", told.flushed);
    ensure!(applied <= model.cursor, "series.db is at {applied}, ahead of state.db at {}", model.cursor);
    stores.apply().context("the stored batches are applied again")?;
    let expected = up_to(&plan.readings, model.cursor);
    series_holds(dir, expected)?;
    found.readings = expected.len();
    found.applied_again = expected.len() - up_to(expected, applied).len();
    stores.copy_audit().context("audit entries are copied again")?;
    let entries = model.copied + model.audit.len() as u64;
    let verdict = audit::verify(dir, stores.reader.audit_head()?)?;
    ensure!(matches!(verdict, Verdict::Whole(head) if head.n == entries), "{entries} entries: {verdict:?}");
    if go_on {
        live_on(plan, stores, snapshot, found.transactions).context("after the start")?;
    }
    Ok(found)
}

fn up_to(readings: &[Reading], seq: Seq) -> &[Reading] {
    &readings[..readings.partition_point(|r| r.origin.seq <= seq)]
}

/// Everything is as it was written; of classes that report all day long, sealed chunks have the time of receipt to the
/// second.
fn is_kept(found: &Reading, written: &Reading) -> bool {
    let tolerance = if is_kept_exactly(written.class.as_str()) { 0 } else { 500 };
    let near = found.received_at.since(written.received_at).abs() <= tolerance;
    near && Reading { received_at: written.received_at, ..found.clone() } == *written
}

/// Every reading exactly once, the latest of each stream, and each number once in the sums.
fn series_holds(dir: &Path, expected: &[Reading]) -> anyhow::Result<()> {
    let mut series = SeriesReader::open(dir)?;
    let (found, _) = series.range_by_origin(0, Seq::MAX >> 1, usize::MAX)?;
    let at = found.iter().zip(expected).position(|(found, written)| !is_kept(found, written));
    if at.is_some() || found.len() != expected.len() {
        bail!("series.db has {} readings of {}, the first that differs: {at:?}", found.len(), expected.len());
    }
    let Some(device) = expected.last().map(|r| &r.device) else { return Ok(()) };
    let of_device = || expected.iter().filter(|r| r.device == *device);
    let epoch = of_device().map(|r| r.epoch).max();
    let mut latest: Vec<&Reading> = Vec::new();
    for r in of_device().filter(|r| !r.marks.has(Marks::HISTORY) && Some(r.epoch) == epoch) {
        match latest.iter_mut().find(|l| l.stream == r.stream) {
            Some(l) if (l.taken_at, l.origin) < (r.taken_at, r.origin) => *l = r,
            Some(_) => {}
            None => latest.push(r),
        }
    }
    latest.sort_by(|a, b| a.stream.cmp(&b.stream));
    let stored = series.latest(device)?;
    ensure!(latest.is_empty() || stored.iter().eq(latest), "the latest readings of {device} differ");
    let numbers = of_device().flat_map(|r| &r.values).filter(|v| {
        v.quality == orderly_core::value::Quality::Good
            && matches!(v.value, orderly_core::value::Value::Number(_))
    });
    let summed: u64 = series.gather(&Query::all(device.clone()), 60_000)?.iter().map(|b| b.count).sum();
    ensure!(summed == numbers.count() as u64, "the sums of {device} count {summed} numbers");
    Ok(())
}

/// The engine is restored, decides the rest again from the stores' answers, and everything ends as if undisturbed.
fn live_on(plan: &Plan, stores: Stores, snapshot: Snapshot, done: usize) -> anyhow::Result<()> {
    let dir = stores.dir().to_owned();
    let from = plan.behind(done);
    decide_again(plan, snapshot, from, &dir)?;
    let mut note = |_| Ok(());
    let stores = Some(stores);
    let mut player =
        Player { plan, stores, transactions: done, alone: false, mutant: Mutant::None, note: &mut note };
    player.play(from)?;
    drop(player);
    let (stores, snapshot) = Stores::open(&dir, false)?;
    ended(plan, &dir, &snapshot)?;
    drop(stores);
    series_holds(&dir, &plan.readings)
}

/// The file is where an undisturbed run leaves it.
///
/// # Errors
/// When it is not.
pub fn ended(plan: &Plan, dir: &Path, snapshot: &Snapshot) -> anyhow::Result<()> {
    let Some(last) = plan.models.last() else { return Ok(()) };
    let differs = last.differs(&Model::read(dir, snapshot)?);
    ensure!(differs.is_empty(), "the end differs from an undisturbed run's in {differs:?}");
    Ok(())
}

/// A restored engine decides the inputs behind the snapshot just as the first one did. Its look-ups are answered
/// from `series.db`, as far as that goes, and from the batches that follow.
///
/// # Errors
/// When it decides otherwise.
pub fn decide_again(plan: &Plan, snapshot: Snapshot, from: usize, dir: &Path) -> anyhow::Result<()> {
    let cursor = snapshot.cursor;
    let mut engine = Engine::new(settings()?, snapshot)?;
    let mut series = SeriesReader::open(dir).ok();
    let mut inputs = plan.inputs.iter().skip(cursor as usize);
    let mut past = |lookup: &Lookup| -> anyhow::Result<Vec<Reading>> {
        let stored = match &mut series {
            Some(series) => series.seen(lookup)?,
            None => up_to(&plan.readings, cursor).to_vec(),
        };
        let behind = plan.readings.iter().filter(|r| r.origin.seq > cursor).cloned();
        Ok(stored.into_iter().chain(behind).filter(|r| matches(lookup, r)).collect())
    };
    for step in plan.steps.iter().skip(from) {
        let Step::Commit(expected) = step else { continue };
        for input in inputs.by_ref().take((expected.cursor - expected.first + 1) as usize) {
            input.decide(&mut engine, &mut past)?;
        }
        let decided = engine.drain();
        ensure!(
            decided == **expected,
            "records {} to {} are decided otherwise",
            expected.first,
            expected.cursor
        );
    }
    Ok(())
}
