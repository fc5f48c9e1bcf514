//! `orderly device ...`: the register, from the command line.

use serde_json::Value;

use super::args::Device;
use super::session::Session;
use super::{Context, Failure, Lang, inventory, out};
use crate::config::Settings;
use crate::control::Request;

/// Carries out a device command.
pub fn device(context: &Context, what: &Device) -> Result<(), Failure> {
    if let Device::Import { file, dry_run } = what {
        return inventory::import(context, file, *dry_run);
    }
    let settings = context.load()?.settings;
    // Each run of the command is one order: typed twice, it is carried out twice.
    let key = uuid::Uuid::now_v7().to_string();
    let request = match what.clone() {
        Device::Add { device, class, profile, zone, firmware } => {
            Request::DeviceAdd { device, class, profile, zone, firmware, key }
        }
        Device::List => Request::DeviceList,
        Device::Unknown => Request::DeviceUnknown,
        Device::Adopt { device, profile, zone } => Request::DeviceAdopt { device, profile, zone, key },
        Device::Claim { code, device, profile, zone } => {
            Request::DeviceClaim { code, device, profile, zone, key }
        }
        Device::Revoke { device } => Request::DeviceRevoke { device, key },
        // It makes its requests itself.
        Device::Import { .. } => Request::Status,
    };
    let reply = carry_out(&settings, request)?;
    match what {
        Device::Add { device, .. } => added(context.lang, device.as_str(), &reply),
        Device::Import { .. } => {}
        Device::List => listed(&reply),
        Device::Unknown => unknown(context.lang, &reply),
        Device::Adopt { .. } | Device::Claim { .. } => adopted(context.lang, &reply),
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

fn adopted(lang: Lang, reply: &Value) {
    let text = |key: &str| reply[key].as_str().unwrap_or("-").to_owned();
    let (device, profile, read, left) = (text("device"), text("profile"), &reply["read"], &reply["left"]);
    out::line(&match lang {
        Lang::Zh => format!("{device} 已登记，型号 {profile}；隔离区中 {read} 条已读出，{left} 条仍无法读出"),
        Lang::En => format!(
            "{device} is on the register with the profile {profile}; {read} messages from quarantine were read, \
             {left} could not be"
        ),
    });
    if let Some(why) = reply["why"].as_str() {
        out::line(why);
    }
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
        let row =
            [text("device"), text("class"), text("profile"), text("zone"), marks.join(","), text("firmware")];
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
    Session::new(settings).ask(request)
}
