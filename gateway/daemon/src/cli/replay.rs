//! `orderly replay`: what readers heard of tags, from a file, and the zones that come out.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write, stdin, stdout};
use std::path::Path;

use orderly_core::assets::location::{Change, Heard, Locator, Step, WATERMARK_MS, table};
use orderly_core::ids::DeviceId;
use orderly_core::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::args::Replay;
use super::{Context, Failure, out};

/// Longest line that is read.
const MOST_BYTES: usize = 64 << 10;
/// What is told of a silence behind the last line: long enough for every tag to be lost.
const SILENCE_MS: i64 = 24 * 3_600_000;

/// A line of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    reader: DeviceId,
    tag: DeviceId,
    /// In dBm.
    rssi: i16,
    time: jiff::Timestamp,
    #[serde(default)]
    moving: Option<bool>,
}

/// Prints the history of zones, a line of JSON for each step; mistakes are lines too, and end nothing.
pub fn replay(context: &Context, what: &Replay) -> Result<(), Failure> {
    let list = std::fs::read(&what.readers)
        .map_err(|error| Failure::Other(format!("{}: {error}", what.readers.display())))?;
    let of_list = |why: &dyn std::fmt::Display| format!("{}: {why}", what.readers.display());
    let (readers, refused) = table::read(&list).map_err(|why| Failure::Other(of_list(&why)))?;
    for why in &refused {
        out::error(&of_list(why));
    }
    if readers.is_empty() {
        return Err(Failure::Other(of_list(&"it names no reader")));
    }
    let mut locator = Locator::new(readers);
    let mut output = BufWriter::new(stdout().lock());
    let mut input = open(&what.file)?;
    let (mut line, mut number, mut newest) = (Vec::new(), 0_u64, None);
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(Failure::because)? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrote = match read(&line) {
            Ok(heard) => {
                newest = newest.max(Some(heard.at));
                // A file is received as it is read: there is no other clock to hold it against.
                let received = heard.at;
                locator.hear(heard, received).iter().try_for_each(|step| tell(&mut output, step))
            }
            Err(why) => tell_wrong(&mut output, number, &why),
        };
        if wrote.is_err() {
            // Whoever reads has seen enough.
            return Ok(());
        }
    }
    let rest = newest.map(|at: Timestamp| locator.advance(at.plus_ms(WATERMARK_MS + SILENCE_MS)));
    let told = rest.iter().flatten().try_for_each(|step| tell(&mut output, step));
    if told.and_then(|()| output.flush()).is_err() {
        return Ok(());
    }
    let unused = locator.unused();
    let (late, weak, stranger) = (unused.late, unused.weak, unused.stranger);
    let zh = format!("{number} 行；未用：迟到 {late}，过弱 {weak}，未知读卡器 {stranger}");
    let en = format!("{number} lines; not used: {late} late, {weak} too weak, {stranger} of unknown readers");
    out::error(context.lang.pick(&zh, &en));
    Ok(())
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn read(line: &[u8]) -> Result<Heard, String> {
    if line.len() > MOST_BYTES {
        return Err(format!("the line has {} bytes", line.len()));
    }
    let Line { reader, tag, rssi, time, moving } = serde_json::from_slice(line).map_err(|error| {
        format!(
            "expected {{\"reader\":..,\"tag\":..,\"rssi\":-70,\"time\":\"2026-11-21T08:00:00Z\"}}: {error}"
        )
    })?;
    if !(-120..=20).contains(&rssi) {
        return Err(format!("an rssi of {rssi} dBm cannot be: it is -120 to 20"));
    }
    Ok(Heard { reader, tag, rssi, at: Timestamp(time.as_millisecond()), moving })
}

fn tell(out: &mut impl Write, step: &Step) -> std::io::Result<()> {
    let change = match step.change {
        Change::Seen => "seen",
        Change::Moved => "moved",
        Change::Jumped => "jumped",
        Change::Lost => "lost",
        Change::Left => "left",
    };
    let Step { tag, zone, since, decided_at, .. } = step;
    let (since, decided_at) = (since.to_string(), decided_at.to_string());
    let said = json!({"tag": tag, "change": change, "zone": zone, "since": since, "decided_at": decided_at});
    writeln!(out, "{said}")
}

fn tell_wrong(out: &mut impl Write, line: u64, why: &str) -> std::io::Result<()> {
    writeln!(out, "{}", json!({"line": line, "error": {"code": "malformed", "message": why}}))
}
