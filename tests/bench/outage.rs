//! T8: the store is away for a minute while messages go on coming. How soon is the backlog in, and how late is meanwhile what
//! comes live?

use std::thread;
use std::time::Duration;

use orderly_tests::gateway::Site;

use crate::measure::{self, Spread};
use crate::paced::{Paced, Senders};
use crate::report::{Figure, Goal, Report};
use crate::store::{CountingStore, Mood};
use crate::throughput::sink_config;

const PER_SECOND: usize = 5_000;
/// How long the store is away.
const AWAY: Duration = Duration::from_secs(60);
/// Live load goes on for so long after it is back.
const AFTER: usize = 20;

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = measure::folder()?;
    let store = CountingStore::start()?;
    let site = Site::new(dir.path(), &sink_config(store.port))?;
    let gateway = site.start()?;
    let load =
        |seconds| Paced { port: site.mqtt, per_second: PER_SECOND, seconds, senders: Senders::Anonymous(4) };
    let warm = load(2).run()?.messages.len();
    anyhow::ensure!(store.wait_lines(warm), "the warm-up did not arrive");
    store.note_arrivals();
    store.set(Mood::Refuses);
    let seconds = usize::try_from(AWAY.as_secs())? + AFTER;
    let steady = load(seconds);
    let began = crate::flood::now();
    let steady = thread::spawn(move || steady.run());
    thread::sleep(AWAY);
    let held = store.ask(|seen| seen.lines) - warm;
    anyhow::ensure!(held == 0, "{held} lines came in while the store was away");
    store.set(Mood::Up);
    let back = crate::flood::now();
    let sent = steady.join().map_err(|_| anyhow::anyhow!("the load died"))??;
    anyhow::ensure!(store.wait_lines(warm + sent.messages.len()), "not all arrived");

    let (mut last, mut live) = (back, Vec::new());
    store.ask(|seen| {
        let arrivals = seen.arrivals.iter().flatten();
        let arrivals: std::collections::HashMap<_, _> = arrivals.collect();
        for (key, at) in &sent.messages {
            let Some(arrived) = arrivals.get(key) else { continue };
            if *at < back {
                last = last.max(**arrived);
            } else {
                live.push((*at, (**arrived - *at).as_secs_f64()));
            }
        }
    });
    let took = (last - back).as_secs_f64();
    // Only what was sent while the backlog went in.
    let mut live: Vec<f64> = live.into_iter().filter(|(at, _)| *at <= last).map(|(_, late)| late).collect();
    let (count, spread) = (live.len(), Spread::of(&mut live));
    println!(
        "      {} messages in {:.0} s, {:.0} s of them held; {count} came live meanwhile",
        sent.messages.len(),
        began.elapsed().as_secs_f64(),
        AWAY.as_secs_f64()
    );
    gateway.stop()?;
    let limit = (AWAY.as_secs_f64(), "the outage");
    report.add(Figure {
        what: "T8 backlog of 60 s at 5,000 msg/s is in".to_owned(),
        value: took,
        unit: "s",
        limit,
        goal: Goal::at_most(15.0, 8.0),
    });
    report.add(Figure {
        what: "T8 live meanwhile, message to store, p99".to_owned(),
        value: spread.p99,
        unit: "s",
        limit,
        goal: Goal::at_most(1.0, 0.3),
    });
    Ok(())
}
