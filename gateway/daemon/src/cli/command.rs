//! `orderly command DEVICE COMMAND`: orders, waits, and says in words what became of it.

use std::time::Duration;

use serde_json::Value;

use super::args::Order;
use super::{Context, Failure, Lang, out};
use crate::control::{Asked, Request, ask};
use crate::runtime::clock::Stopwatch;

/// Between two looks at what became of it.
const LOOK: Duration = Duration::from_millis(100);
/// Nobody waits longer at a terminal; the gateway goes on waiting.
const PATIENCE: Duration = Duration::from_secs(120);

/// Carries out a command.
pub fn command(context: &Context, order: &Order) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    let asking = |request: &Request| match ask(&settings.data_dir, request).map_err(Failure::Other)? {
        Asked::Answered(reply) => reply.into_result().map_err(Failure::Other),
        Asked::NobodyThere => Err(Failure::Other(match context.lang {
            Lang::Zh => "网关没有运行，命令无法发出".to_owned(),
            Lang::En => "no gateway is running, so nothing can be sent".to_owned(),
        })),
    };
    let Order { device, command, value, reason } = order;
    let mut said = asking(&Request::Command {
        device: device.clone(),
        command: command.clone(),
        value: value.clone(),
        reason: reason.clone(),
        // Typed twice, it is ordered twice.
        key: uuid::Uuid::now_v7().to_string(),
    })?;
    let id = said["id"].as_str().unwrap_or_default().to_owned();
    let watch = Stopwatch::start();
    while said["state"] == "sent" && watch.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
        said = asking(&Request::CommandState { id: id.clone() })?;
    }
    let line = told(context.lang, &id, &said);
    if said["state"] == "done" {
        out::line(&line);
        return Ok(());
    }
    Err(Failure::Other(line))
}

fn told(lang: Lang, id: &str, said: &Value) -> String {
    let state = said["state"].as_str().unwrap_or("?");
    let (key, word) = match (lang, state) {
        (Lang::Zh, "sent") => ("zh", "已发出，仍在等待应答"),
        (Lang::Zh, "done") => ("zh", "已执行"),
        (Lang::Zh, "failed") => ("zh", "执行失败"),
        (Lang::Zh, "mismatch") => ("zh", "执行结果不符"),
        (Lang::Zh, "not_connected") => ("zh", "设备未连接"),
        (Lang::Zh, "unknown") => ("zh", "结果未知"),
        (Lang::Zh, "refused") => ("zh", "已拒绝"),
        (Lang::Zh, "expired") => ("zh", "已过期"),
        (Lang::Zh, other) => ("zh", other),
        (Lang::En, "sent") => ("en", "sent, no answer yet"),
        (Lang::En, "not_connected") => ("en", "not connected"),
        (Lang::En, other) => ("en", other),
    };
    match said["why"][key].as_str() {
        Some(why) => format!("{id}: {word}: {why}"),
        None => format!("{id}: {word}"),
    }
}
