//! `orderly check`

use std::collections::BTreeMap;
use std::path::Path;

use orderly_core::ids::ClassId;
use orderly_core::time::Clock;

use super::args::Check;
use super::diff::Standing;
use super::{Context, Failure, Lang, out};
use crate::config::{Credentials, Settings, Span};
use crate::runtime::clock::SystemClock;
use crate::runtime::texts::{Texts, gather};
use crate::sources::modbus::wire::Names;
use crate::sources::modbus::{LinkConfig, plan};
use crate::tls::{self, TlsError};

/// Checks settings, profiles and rules; says what is there, and what a start would change.
pub fn check(context: &Context, what: &Check) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    let texts = gather(&settings)?;
    let credentials = context.credentials();
    let profiles = texts.all_profiles();
    let names = Names::default();
    let links =
        settings.modbus.iter().map(|(name, link)| LinkConfig::from_settings(name, link, &profiles, &names));
    let links: Vec<LinkConfig> = links.collect::<Result<_, _>>().map_err(Failure::Other)?;
    secrets(&settings, |file| credentials.read(file).map(drop), |name| credentials.variable(name).map(drop))?;
    trust(&settings, &credentials)?;
    let (profiles, rules) = (texts.profiles.len(), texts.rules.len());
    out::line(&match context.lang {
        Lang::Zh => format!("配置正确：{profiles} 个设备型号，{rules} 个规则文件"),
        Lang::En => format!("good: {profiles} device profiles, {rules} rule files"),
    });
    unknown_years(&texts, context.lang);
    if what.explain {
        explain(&texts);
        links.iter().for_each(read_plan);
    }
    if what.diff {
        diff(&settings, &texts, &links, context.lang)?;
    }
    Ok(())
}

/// Says which public holidays are not known: those of this year, and from November on, when they are announced, of the
/// next.
fn unknown_years(texts: &Texts, lang: Lang) {
    let now = SystemClock::start().ok().map(|clock| clock.now().wall.0);
    let Some(Ok(now)) = now.map(jiff::Timestamp::from_millisecond) else { return };
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let next = (today.month() >= 11).then_some(today.year() + 1);
    for year in [Some(today.year()), next].into_iter().flatten().filter(|y| texts.calendars.lacks_year(*y)) {
        out::line(&match lang {
            Lang::Zh => format!(
                "注意：不知道 {year} 年的节假日安排，工作日暂按周一至周五计算；公布后请在规则目录中增加 [[year]]"
            ),
            Lang::En => format!(
                "note: the public holidays of {year} are not known; until a [[year]] is added to the rules, a workday is \
                 Monday to Friday"
            ),
        });
    }
}

/// Every file or variable with a secret must be readable now, not at three in the morning.
fn secrets(
    settings: &Settings,
    read: impl Fn(&Path) -> Result<(), String>,
    variable: impl Fn(&str) -> Result<(), String>,
) -> Result<(), Failure> {
    let all = &settings.http.hooks;
    let hooks = all.iter().map(|(n, s)| (format!("http.hooks.{n}.secret_file"), &s.secret_file));
    let variables = all.iter().filter_map(|(n, s)| {
        let why = variable(s.secret_env.as_deref()?).err()?;
        Some(format!("http.hooks.{n}.secret_env: {why}"))
    });
    let mqtt = settings.mqtt.iter().map(|(n, s)| (format!("mqtt.{n}.password_file"), &s.password_file));
    let sinks = settings.sinks.iter().map(|(n, s)| (format!("sinks.{n}.token_file"), &s.token_file));
    let signs = settings.notify.iter().map(|(n, s)| (format!("notify.{n}.sign_file"), &s.sign_file));
    let notify = settings.notify.iter().map(|(n, s)| (format!("notify.{n}.token_file"), &s.token_file));
    let faults: Vec<String> = mqtt
        .chain(sinks)
        .chain(notify)
        .chain(signs)
        .chain(hooks)
        .filter_map(|(key, file)| read(file.as_deref()?).err().map(|why| format!("{key}: {why}")))
        .chain(variables)
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Other(faults.join("\norderly: "))) }
}

/// And every file of certificates and keys.
fn trust(settings: &Settings, credentials: &Credentials) -> Result<(), Failure> {
    let mqtt = settings.mqtt.iter().map(|(name, s)| ("mqtt", name, s.ca_file.clone()));
    let sinks = settings.sinks.iter().map(|(name, s)| ("sinks", name, s.ca_file.clone()));
    let notify = settings.notify.iter().map(|(name, s)| ("notify", name, s.ca_file.clone()));
    let authorities = mqtt.chain(sinks).chain(notify).filter_map(|(section, name, file)| {
        let error = tls::authorities(&file?).err()?;
        Some(format!("{section}.{name}.{error}"))
    });
    let modbus = settings.modbus.iter().filter_map(|(name, link)| {
        let error = link.with(credentials).tls_files()?.read().err()?;
        let key = if matches!(error, TlsError::File { .. }) { "." } else { ": " };
        Some(format!("modbus.{name}{key}{error}"))
    });
    let faults: Vec<String> = authorities.chain(modbus).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Other(faults.join("\norderly: "))) }
}

fn explain(texts: &Texts) {
    let mut classes: BTreeMap<&ClassId, Vec<String>> = BTreeMap::new();
    for (file, profile) in texts.profiles.values() {
        let metrics: Vec<String> = profile.metrics().iter().map(|metric| metric.name.to_string()).collect();
        let line =
            format!("  {} {} ({}): {}", profile.id(), profile.version(), file.name, metrics.join(", "));
        let lines = classes.entry(profile.class()).or_default();
        lines.push(line);
        lines.extend(profile.variants().iter().map(|variant| format!("    firmware {}", variant.firmware)));
    }
    for (class, lines) in classes {
        out::line(class.as_str());
        lines.iter().for_each(|line| out::line(line));
    }
    for (name, file) in &texts.rules {
        out::line(&format!("rules {name} ({})", file.name));
    }
}

/// What a link asks its devices, request by request.
fn read_plan(link: &LinkConfig) {
    let ways: Vec<String> = link.endpoints.iter().map(ToString::to_string).collect();
    out::line(&format!("modbus {} ({})", link.name, ways.join(", else ")));
    for device in &link.devices {
        let asks: Vec<String> = plan(&device.profile).iter().map(ToString::to_string).collect();
        let every = Span(device.every);
        out::line(&format!("  {} unit {} every {every}: {}", device.id, device.unit, asks.join(", ")));
    }
}

fn diff(settings: &Settings, texts: &Texts, links: &[LinkConfig], lang: Lang) -> Result<(), Failure> {
    let standing = Standing::read(&settings.data_dir).map_err(Failure::Other)?;
    let changes = texts.changes_from(&standing.texts);
    if changes.is_empty() {
        out::line(lang.pick("没有变化", "nothing would change"));
    }
    standing.lines(&changes, links).iter().for_each(|line| out::line(line));
    Ok(())
}
