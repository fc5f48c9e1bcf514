//! What an undisturbed run would have decided: the pure engine, fed the ledger in order.

use std::collections::BTreeSet;

use anyhow::Context;
use orderly_core::alert::Transition;
use orderly_core::engine::{Engine, EngineSettings};
use orderly_core::ids::SiteId;
use orderly_core::output::{Snapshot, TextRow};
use orderly_core::record::{ConfigKind, Entry, Flags, Kind, Record};
use orderly_core::time::{Now, Timestamp};

use crate::gateway::Site;
use crate::ledger::Ledger;

/// (rule, device, condition, event time): what must be equal between a disturbed and a calm run.
pub type Step = (String, String, String, i64);

/// Two rules on blood pressure: one that fires at once, one that must hold for five seconds of event time.
pub const RULES: &str = r#"
[[rule]]
id = "kill-crisis"
class = "bp_meter"
when = "sys >= 180"
clear = "sys < 170"
severity = "P2"
team = "chronic_care"
source = "D"
text.zh = "{device} 收缩压 {sys}"
text.en = "{device} systolic {sys}"
[[rule.test]]
given = [{ at = "0s", values = { sys = 186, dia = 96 } }, { at = "1s", values = { sys = 120, dia = 80 } }]
expect = ["fired 0s", "cleared 1s"]

[[rule]]
id = "kill-hold"
class = "bp_meter"
when = "dia >= 110"
for = "5s"
severity = "P2"
team = "chronic_care"
source = "D"
text.zh = "{device} 舒张压 {dia}"
text.en = "{device} diastolic {dia}"
[[rule.test]]
given = [{ at = "0s", values = { sys = 150, dia = 112 } }, { at = "6s", values = { sys = 150, dia = 112 } }]
expect = ["fired 5s"]
"#;

/// The steps of a calm run over the ledger.
///
/// # Errors
/// When the engine cannot be made.
pub fn transitions_of_a_calm_run(ledger: &Ledger) -> anyhow::Result<BTreeSet<Step>> {
    let profile = include_str!("../../device-profiles/bp_meter/orderly-bp-1.toml");
    let text = |what, text: &str| TextRow { what, text: Some(text.to_owned()) };
    let snapshot = Snapshot {
        texts: vec![
            text(ConfigKind::Profile("orderly-bp-1".parse()?), profile),
            text(ConfigKind::Rule("kill".parse()?), RULES),
        ],
        ..Snapshot::default()
    };
    let settings = EngineSettings { site: "main".parse::<SiteId>()? };
    let mut engine = Engine::new(settings, snapshot)?;
    let mut steps = BTreeSet::new();
    let first = ledger.messages.iter().map(|m| m.device_time).min().context("an empty ledger")?;
    for (n, message) in ledger.messages.iter().filter(|m| m.acked).enumerate() {
        let ms = u64::try_from(n)? / 2;
        let address = format!("orderly/v1/main/{}/{}/up/reading", message.class, message.device);
        let record = Record {
            seq: u64::try_from(n)? + 1,
            now: Now { wall: Timestamp(first + 12 * 3_600_000 + i64::try_from(ms)?), steady_ms: ms, boot: 1 },
            entry: Entry {
                kind: Kind::Envelope,
                flags: Flags::ANONYMOUS,
                source: "listener",
                connection: 1,
                address: &address,
                body: message.payload.as_bytes(),
            },
        };
        let prepared = engine.prepare(&record);
        engine.handle(prepared, &[]);
        for step in engine.drain().transitions {
            steps.insert(step_of(&step)?);
        }
    }
    Ok(steps)
}

/// The steps that the daemon made, as its state store holds them; the daemon must have stopped.
///
/// # Errors
/// When the store cannot be read.
pub fn transitions_of_the_store(site: &Site) -> anyhow::Result<BTreeSet<Step>> {
    let reader = orderly_store::state::StateReader::open(&site.data_dir())?;
    reader.all_transitions()?.iter().map(step_of).collect()
}

fn step_of(step: &Transition) -> anyhow::Result<Step> {
    let condition = serde_json::to_value(step.condition)?.as_str().unwrap_or_default().to_owned();
    Ok((step.rule.to_string(), step.device.to_string(), condition, step.at.0))
}
