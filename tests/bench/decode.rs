//! How many payloads a second `orderly decode --jsonl` reads with declarative codecs, beside reading the same lines as
//! JSON and nothing else.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::Context as _;
use orderly_tests::gateway::binary;

use crate::measure;
use crate::report::{Figure, Goal, Report};

const LINES: usize = 300_000;
/// What is promised, a second.
const BAR: Goal = Goal::at_least(50_000.0, 100_000.0);

/// A profile and the lines that go to it.
struct Case {
    name: &'static str,
    profile: &'static str,
    line: fn(usize) -> String,
}

const CASES: [Case; 3] = [
    Case { name: "decode binary, in ChirpStack's envelope", profile: "dragino-lht65", line: lorawan },
    Case { name: "decode GATT 2a35", profile: "and-ua651ble", line: gatt },
    Case { name: "decode JSON of 13 keys", profile: "orderly-bm-1", line: vitals },
];

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let dir = measure::folder()?;
    for case in &CASES {
        let mut lines = Vec::new();
        for n in 0..LINES {
            writeln!(lines, "{}", (case.line)(n))?;
        }
        let file = dir.path().join("out.jsonl");
        let begin = crate::flood::now();
        decode(case.profile, &lines, &file)?;
        let rate = per_second(begin.elapsed().as_secs_f64());
        let out = std::fs::read_to_string(&file)?;
        anyhow::ensure!(out.lines().count() == LINES, "{} lines came out", out.lines().count());
        anyhow::ensure!(!out.contains("\"error\""), "{}", out.lines().next().unwrap_or_default());
        let begin = crate::flood::now();
        let mut parsed = 0;
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            parsed += usize::from(serde_json::from_slice::<serde_json::Value>(line).is_ok());
        }
        let limit = per_second(begin.elapsed().as_secs_f64());
        anyhow::ensure!(parsed == LINES);
        report.add(Figure {
            what: case.name.to_owned(),
            value: rate,
            unit: "/s",
            limit: (limit, "the lines read as JSON"),
            goal: BAR,
        });
    }
    Ok(())
}

fn per_second(seconds: f64) -> f64 {
    LINES as f64 / seconds
}

/// Runs the program with the lines on its input.
fn decode(profile: &str, lines: &[u8], out: &Path) -> anyhow::Result<()> {
    let mut child = Command::new(binary()?)
        .args(["decode", profile, "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(out)?)
        .spawn()?;
    let mut input = child.stdin.take().context("it has an input")?;
    thread::scope(|scope| {
        let writer = scope.spawn(move || input.write_all(lines));
        let status = child.wait()?;
        anyhow::ensure!(status.success(), "decode ended with {status}");
        writer.join().map_err(|_| anyhow::anyhow!("the writer fell"))?.context("it read everything")
    })
}

/// An uplink of a fridge's probe as ChirpStack publishes it.
fn lorawan(n: usize) -> String {
    format!(
        r#"{{"topic":"application/1/device/a84041ffff{:06x}/event/up","payload":{{"deviceInfo":{{"devEui":"a84041ffff{:06x}"}},"devAddr":"01a2b3c4","time":"2026-11-21T07:30:00+08:00","fCnt":{n},"fPort":2,"data":"y/YLDQN2AQrdf/8="}}}}"#,
        n % 1_000,
        n % 1_000
    )
}

/// A notification of a blood pressure meter.
fn gatt(n: usize) -> String {
    format!(r#"{{"payload":"16{:02x}005000 5F00 EA070B15071E{:02x} 4800 0400"}}"#, 90 + n % 60, n % 60)
}

/// A monitor's vital signs.
fn vitals(n: usize) -> String {
    format!(r#"{{"payload":{}}}"#, crate::engine::body(n))
}
