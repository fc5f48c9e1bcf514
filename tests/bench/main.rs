//! `make bench`: the figures of the targets, each beside the limit of this machine measured in the same run.
//!
//! It prints and never judges. Absolute rates move with the machine; the ratios and CPU seconds are what to compare.

#![allow(clippy::print_stdout, reason = "a bench prints")]
#![allow(missing_docs, reason = "not a library")]

mod durable;
mod engine;
mod flood;
mod latency;
mod local;
mod measure;
mod start;
mod store;
mod throughput;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` asks every bench for a quick answer; there is nothing quick here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let only: Vec<String> = std::env::args().skip(1).filter(|a| a.starts_with('t')).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    let dir = tempfile::tempdir()?;
    println!("fdatasync of 4 KiB here: p50 {:.2} ms\n", measure::fdatasync_ms(dir.path())?);
    if wanted("t1") || wanted("t2") || wanted("t3") || wanted("t4") {
        throughput::run(wanted("t1") || wanted("t3"))?;
    }
    if wanted("t5") || wanted("t6") || wanted("t7") {
        latency::run()?;
    }
    if wanted("tengine") {
        engine::run()?;
    }
    if wanted("t11") || wanted("t12") {
        local::run()?;
    }
    if wanted("t13") {
        start::run()?;
    }
    if wanted("tcommit") {
        durable::run()?;
    }
    Ok(())
}
