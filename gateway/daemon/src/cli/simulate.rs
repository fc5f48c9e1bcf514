//! `orderly simulate`

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args::Simulate;
use super::run::runtime;
use super::{Context, Failure, Lang, out};
use crate::runtime::clock::SystemClock;
use crate::simulate::{Options, Simulation, Summary};

/// Runs the simulated hospital until its time is over or Ctrl-C.
pub fn simulate(context: &Context, what: &Simulate) -> Result<(), Failure> {
    let password = what.password_file.as_deref().map(|file| context.credentials().read(file)).transpose();
    let password = password.map_err(Failure::Other)?;
    let options = Options {
        site: what.site.to_string(),
        seed: what.seed,
        scale: what.scale,
        pace: what.pace,
        faults: what.faults,
        incidents: what.incidents,
        mqtt: Some(what.mqtt.clone()),
        credentials: what.username.clone().zip(password.map(|secret| secret.reveal().to_owned())),
        makers: what.makers,
        broker: what.broker.clone(),
        modbus: what.modbus,
        modbus_rtu: what.modbus_rtu,
        ledger: what.ledger.clone(),
        duration_ms: what.duration.map(|span| u64::try_from(span.as_ms()).unwrap_or(u64::MAX)),
    };
    let summary = runtime()?.block_on(async {
        let clock = Arc::new(SystemClock::start()?);
        let stop = CancellationToken::new();
        let simulation = Simulation::open(options, clock, stop.clone()).await?;
        if let Some(folder) = &what.describe {
            return simulation.describe(folder).map(|()| None);
        }
        let (publishing, polled) = simulation.sizes();
        out::error(&match context.lang {
            Lang::Zh => format!("模拟 {publishing} 台 MQTT 设备和 {polled} 台 Modbus 设备"),
            Lang::En => format!("simulating {publishing} devices over MQTT and {polled} over Modbus"),
        });
        if let Some(line) = simulation.line() {
            out::line(&line.display().to_string());
        }
        let ended = stop.clone();
        let interrupt = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                ended.cancel();
            }
        });
        let summary = simulation.run().await;
        interrupt.abort();
        summary.map(Some)
    });
    if let Some(summary) = summary.map_err(Failure::because)? {
        out::error(&told(context.lang, &summary));
    }
    Ok(())
}

/// What was sent, in one line.
pub fn told(lang: Lang, summary: &Summary) -> String {
    let Summary { sent, acked, dropped, registers } = summary;
    match lang {
        Lang::Zh => {
            format!("已发送 {sent} 条，已确认 {acked} 条，未发出 {dropped} 条；寄存器变化 {registers} 次")
        }
        Lang::En => {
            format!(
                "{sent} messages sent, {acked} acknowledged, {dropped} not sent; {registers} register changes"
            )
        }
    }
}
