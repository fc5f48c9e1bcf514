//! The small commands: settings, journal, audit, health, completions.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::Shell;
use orderly_core::record::{Flags, Record};
use orderly_core::sealed::{Head, OVERHEAD};
use orderly_store::audit::{self, Verdict};
use orderly_store::disk::RealDisk;
use orderly_store::journal;
use serde_json::json;

use super::args::{Args, Audit, Journal};
use super::{Context, Failure, Lang, out};
use crate::config::Settings;
use crate::control::{Asked, Request, ask};
use crate::pipeline::StateFile;

/// Prints the settings that hold, with the layer that set each section that a file or variable names.
pub fn print_config(context: &Context) -> Result<(), Failure> {
    let loaded = context.load()?;
    let text = toml::to_string(&loaded.settings).map_err(Failure::because)?;
    out::line(text.trim_end());
    Ok(())
}

/// Reads the journal without a daemon; it may run meanwhile.
pub fn journal(context: &Context, what: &Journal) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    let dir = settings.data_dir.join("journal");
    match what {
        Journal::Check => check_journal(context.lang, &dir),
        Journal::Dump { from, limit } => {
            journal::dump(&RealDisk, &dir, *from, *limit, |record| out::line(&shown(record)))
                .map_err(Failure::because)?;
            Ok(())
        }
    }
}

fn check_journal(lang: Lang, dir: &std::path::Path) -> Result<(), Failure> {
    let report = journal::check(&RealDisk, dir).map_err(Failure::because)?;
    for damage in &report.damaged {
        out::line(&format!(
            "segment {} offset {}: {} bytes, {} records lost",
            damage.segment, damage.offset, damage.bytes, damage.records_lost
        ));
    }
    let (segments, records, lost) = (report.segments.len(), report.records, report.records_lost);
    let sentence = match lang {
        Lang::Zh => format!("{segments} 个段，{records} 条完好记录，丢失 {lost} 条"),
        Lang::En => format!("{segments} segments, {records} good records, {lost} lost"),
    };
    if report.damaged.is_empty() {
        out::line(&sentence);
        return Ok(());
    }
    Err(Failure::Other(sentence))
}

/// A record as one JSON object; a payload that is not text is shown in hex, a sealed one not at all.
fn shown(record: &Record<'_>) -> String {
    let entry = record.entry;
    let sealed = Head::read(entry.body).filter(|_| entry.flags.has(Flags::SEALED));
    let bytes = entry.body.len().saturating_sub(OVERHEAD);
    let body = match (sealed, std::str::from_utf8(entry.body)) {
        (Some((head, _)), _) => json!({ "sealed": { "key": head.day.to_string(), "bytes": bytes } }),
        (None, Ok(text)) => json!(text),
        (None, Err(_)) => json!({ "hex": entry.body.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
    };
    json!({
        "seq": record.seq,
        "at": record.now.wall.to_string(),
        "kind": format!("{:?}", entry.kind),
        "flags": entry.flags.0,
        "source": entry.source,
        "connection": entry.connection,
        "address": entry.address,
        "body": body,
    })
    .to_string()
}

/// Goes through the audit chain.
pub fn audit(context: &Context, what: &Audit) -> Result<(), Failure> {
    let Audit::Verify = what;
    let settings = context.load()?.settings;
    let kept = StateFile(settings.data_dir.clone())
        .reader()
        .and_then(|state| state.audit_head().map_err(|e| e.to_string()))
        .map_err(Failure::Other)?;
    match audit::verify(&settings.data_dir, kept).map_err(Failure::because)? {
        Verdict::Whole(head) => {
            let hash: String = head.hash.iter().map(|b| format!("{b:02x}")).collect();
            out::line(&match context.lang {
                Lang::Zh => format!("审计链完整：{} 条，末条 {hash}", head.n),
                Lang::En => format!("the chain is whole: {} entries, the last is {hash}", head.n),
            });
            Ok(())
        }
        Verdict::Broken { n, why } => Err(Failure::Other(match context.lang {
            Lang::Zh => format!("审计链在第 {n} 条断开：{why}"),
            Lang::En => format!("the chain is broken at entry {n}: {why}"),
        })),
    }
}

/// How the running gateway is, as JSON.
pub fn status(context: &Context) -> Result<(), Failure> {
    let value = of_the_running(&context.load()?.settings, context.lang, &Request::Status)?;
    out::line(&serde_json::to_string_pretty(&value).map_err(Failure::because)?);
    Ok(())
}

/// Ends the running gateway in order.
pub fn stop(context: &Context) -> Result<(), Failure> {
    of_the_running(&context.load()?.settings, context.lang, &Request::Stop)?;
    out::line(context.lang.pick("正在停止", "stopping"));
    Ok(())
}

fn of_the_running(settings: &Settings, lang: Lang, request: &Request) -> Result<serde_json::Value, Failure> {
    match ask(&settings.data_dir, request).map_err(Failure::Other)? {
        Asked::Answered(reply) => reply.into_result().map_err(Failure::Other),
        Asked::NobodyThere => Err(Failure::Other(match lang {
            Lang::Zh => format!("{} 上没有正在运行的网关", settings.data_dir.display()),
            Lang::En => format!("no gateway runs on {}", settings.data_dir.display()),
        })),
    }
}

/// Succeeds when the running gateway answers `/health/ready` with 200.
pub fn healthcheck(context: &Context) -> Result<(), Failure> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let address: SocketAddr = context.load()?.settings.http.bind.parse().map_err(Failure::because)?;
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET /health/ready HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|e| Failure::Other(format!("{address}: {e}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_whitespace().nth(1) == Some("200") {
        out::line(context.lang.pick("就绪", "ready"));
        return Ok(());
    }
    Err(Failure::Other(body.to_owned()))
}

/// Prints completions for a shell.
#[expect(clippy::unnecessary_wraps, reason = "as every command")]
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "orderly", &mut text);
    out::line(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}
