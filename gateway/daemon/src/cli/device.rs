//! `orderly device add|list|revoke`: asks the running daemon, or does the same under the lock when none runs.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::args::Device;
use super::run::runtime;
use super::{Context, Failure, Lang, out};
use crate::catalog::Catalog;
use crate::config::Settings;
use crate::control::{Asked, Desk, Request, ask};
use crate::pipeline::StateFile;
use crate::runtime::clock::SystemClock;
use crate::runtime::core::{Core, Parts};
use crate::runtime::texts;

/// Carries out a device command.
pub fn device(context: &Context, what: &Device) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    // Each run of the command is one order: typed twice, it is carried out twice.
    let key = uuid::Uuid::now_v7().to_string();
    let request = match what.clone() {
        Device::Add { device, class, profile, zone } => {
            Request::DeviceAdd { device, class, profile, zone, key }
        }
        Device::List => Request::DeviceList,
        Device::Unknown => Request::DeviceUnknown,
        Device::Adopt { device, profile, zone } => Request::DeviceAdopt { device, profile, zone, key },
        Device::Revoke { device } => Request::DeviceRevoke { device, key },
    };
    let reply = carry_out(&settings, request)?;
    match what {
        Device::Add { device, .. } => added(context.lang, device.as_str(), &reply),
        Device::List => listed(&reply),
        Device::Unknown => unknown(context.lang, &reply),
        Device::Adopt { device, .. } => {
            let (profile, read, left) =
                (reply["profile"].as_str().unwrap_or("-"), &reply["read"], &reply["left"]);
            out::line(&match context.lang {
                Lang::Zh => {
                    format!("{device} 已登记，型号 {profile}；隔离区中 {read} 条已读出，{left} 条仍无法读出")
                }
                Lang::En => format!(
                    "{device} is on the register with the profile {profile}; {read} messages from quarantine were \
                     read, {left} could not be"
                ),
            });
        }
        Device::Revoke { device } => out::line(&match context.lang {
            Lang::Zh => format!("{device} 已注销；其历史数据保留"),
            Lang::En => format!("{device} is revoked; its readings stay"),
        }),
    }
    Ok(())
}

fn added(lang: Lang, device: &str, reply: &Value) {
    let secret = reply["secret"].as_str().unwrap_or_default();
    out::error(&match lang {
        Lang::Zh => format!("设备 {device} 的密钥，只显示这一次（MQTT 用户名为设备名，密码为密钥）："),
        Lang::En => {
            format!("the secret of {device}, shown this once (MQTT: user name = device, password = secret):")
        }
    });
    out::line(secret);
}

fn listed(reply: &Value) {
    const MARKS: [(&str, &str); 3] =
        [("credential", "secret"), ("self_registered", "self-registered"), ("revoked", "revoked")];
    for device in reply["devices"].as_array().into_iter().flatten() {
        let text = |key: &str| device[key].as_str().unwrap_or("-").to_owned();
        let marks: Vec<&str> = MARKS
            .iter()
            .filter(|(key, _)| device[*key] == Value::Bool(true))
            .map(|(_, mark)| *mark)
            .collect();
        let row = [text("device"), text("class"), text("profile"), text("zone"), marks.join(",")];
        out::line(&row.join("\t"));
    }
}

/// Each unknown device, and the profiles that read what it sends; a star where the address fits as well.
fn unknown(lang: Lang, reply: &Value) {
    let devices = reply["devices"].as_array().map(Vec::as_slice).unwrap_or_default();
    if devices.is_empty() {
        out::line(lang.pick("没有未登记的设备", "no unknown device has spoken"));
    }
    for device in devices {
        let text = |key: &str| device[key].as_str().unwrap_or("-").to_owned();
        let suggestion = |found: &Value| {
            let star = if found["fits"] == Value::Bool(true) { "*" } else { "" };
            format!("{}{star}", found["profile"].as_str().unwrap_or("-"))
        };
        let suggested: Vec<String> =
            device["suggestions"].as_array().into_iter().flatten().map(suggestion).collect();
        let row =
            [text("id"), text("class"), device["samples"].to_string(), text("last_at"), suggested.join(",")];
        out::line(&row.join("\t"));
    }
}

/// Asks the running daemon; without one takes the lock and does the same.
pub fn carry_out(settings: &Settings, request: Request) -> Result<Value, Failure> {
    match ask(&settings.data_dir, &request).map_err(Failure::Other)? {
        Asked::Answered(reply) => reply.into_result().map_err(Failure::Other),
        Asked::NobodyThere => under_the_lock(settings, request),
    }
}

fn under_the_lock(settings: &Settings, request: Request) -> Result<Value, Failure> {
    let wanted = texts::gather(settings)?;
    let clock = Arc::new(SystemClock::start().map_err(Failure::because)?);
    let register = Arc::default();
    let parts = Parts { clock: clock.clone(), register, observe: Box::new(|_| Vec::new()), state: None };
    let core = Core::start(settings, parts)?;
    let desk = Desk {
        orders: core.orders.clone(),
        state: StateFile(core.dir.clone()),
        catalog: Arc::new(Catalog::new(wanted.all_profiles())),
        keys: Arc::clone(&core.keys),
        clock,
        status: Arc::new(|| Value::Null),
        stop: CancellationToken::new(),
    };
    let reply = runtime()?.block_on(async {
        core.caught_up().await?;
        // A device needs its profile, which a first start brings into force.
        texts::bring_into_force(&core, &wanted).await?;
        anyhow::Ok(desk.carry_out(request).await)
    });
    core.stop();
    reply?.into_result().map_err(Failure::Other)
}
