//! `make bench`: the figures of the targets, each beside the limit of this machine measured in the same run.
//!
//! It prints and never judges a build. Absolute rates move with the machine; ratios and CPU seconds are what to compare.

#![allow(clippy::print_stdout, reason = "a bench prints")]
#![allow(missing_docs, reason = "not a library")]

mod command;
mod decode;
mod engine;
mod flood;
mod hook;
mod latency;
mod local;
mod measure;
mod outage;
mod paced;
mod poll;
mod profile;
mod registry;
mod report;
mod start;
mod store;
mod throughput;

use report::Report;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` asks every bench for a quick answer; there is nothing quick here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let only: Vec<String> = std::env::args().skip(1).filter(|a| a.starts_with('t')).collect();
    let wanted = |names: &[&str]| only.is_empty() || only.iter().any(|o| names.contains(&o.as_str()));
    let began = flood::now();
    let dir = measure::folder()?;
    let (append, sync) = (measure::append_ms(dir.path())?, measure::sync_ms(dir.path(), 1)?);
    println!(
        "4 KiB with fdatasync here, p50 / p99: appended {:.2} / {:.2} ms, into space laid out {:.2} / {:.2} ms; load {}; {} processors\n",
        append.p50,
        append.p99,
        sync.p50,
        sync.p99,
        measure::load(),
        std::thread::available_parallelism()?
    );
    if wanted(&["tengine"]) {
        // First, while this process has used little memory.
        engine::run()?;
        println!();
    }
    let mut report = Report::default();
    println!("{}", report::header());
    // A group that fails takes none of the others with it.
    let mut failed = Vec::new();
    let mut group = |names: &[&str], run: &mut dyn FnMut(&mut Report) -> anyhow::Result<()>| {
        if wanted(names)
            && let Err(error) = run(&mut report)
        {
            println!("{} failed: {error:#}", names.join(" "));
            failed.push(names.join(" "));
        }
    };
    let hop = wanted(&["t1", "t3"]);
    group(&["t1", "t2", "t3", "t4"], &mut |report| throughput::run(hop, report));
    group(&["t5", "t6", "t7"], &mut latency::run);
    group(&["t8"], &mut outage::run);
    group(&["t9", "t10"], &mut poll::run);
    group(&["tcommand"], &mut command::run);
    group(&["tdecode"], &mut decode::run);
    group(&["tregistry"], &mut registry::run);
    group(&["t11", "t12"], &mut local::run);
    group(&["t13"], &mut start::run);
    println!("\nall together, after {:.0} s, load {}:", began.elapsed().as_secs_f64(), measure::load());
    report.table();
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}
