//! What the kinds of the values cannot say: names, addresses, limits.

use std::net::SocketAddr;

use orderly_core::ids::{ClassId, DeviceId, SiteId};

use super::amount::{Size, Span};
use super::layers::{Layer, locate};
use super::problem::Problem;
use super::{HookSigned, ModbusSettings, Settings};

/// A fault of the resolved settings, by its dotted path.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    message: String,
    hint: Option<&'static str>,
}

impl Fault {
    /// The fault as a problem of the layer that set the value.
    pub(super) fn at_home(self, layers: &[Layer]) -> Problem {
        let (file, text, at) = match locate(layers, &self.path) {
            Some((layer, at)) => (layer.name, layer.text, Some(at)),
            None => ("settings".to_owned(), "".into(), None),
        };
        Problem { file, text, at, key: self.path, message: self.message, hint: self.hint.map(str::to_owned) }
    }
}

/// Collects faults while the settings are walked.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, path: &str, message: impl Into<String>, hint: &'static str) {
        self.0.push(Fault { path: path.to_owned(), message: message.into(), hint: Some(hint) });
    }

    fn name<T, E: std::fmt::Display>(&mut self, path: &str, result: Result<T, E>) {
        if let Err(e) = result {
            self.0.push(Fault { path: path.to_owned(), message: e.to_string(), hint: None });
        }
    }

    fn address(&mut self, path: &str, text: &str) {
        if text.parse::<SocketAddr>().is_err() {
            self.add(
                path,
                format!("{text:?} is not an address with a port"),
                "as in \"127.0.0.1:1883\" or \"[::1]:1883\"",
            );
        }
    }

    fn url(&mut self, path: &str, text: &str, schemes: &[&str], hint: &'static str) {
        let host = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"));
        match host {
            _ if text.is_empty() => self.add(path, "is missing", hint),
            None | Some("") => self.add(path, format!("{text:?} is not an address of this kind"), hint),
            Some(_) => {}
        }
    }

    fn at_least(&mut self, path: &str, value: Span, least: Span) {
        if value < least {
            self.0.push(Fault {
                path: path.to_owned(),
                message: format!("{value} is too short"),
                hint: Some("write a longer duration"),
            });
        }
    }

    fn link(&mut self, section: &str, name: &str) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(good) {
            self.add(
                &format!("{section}.{name}"),
                format!("{name:?} cannot be the name of a link"),
                "1 to 32 of a-z 0-9 - _",
            );
        }
    }
}

/// All faults of the resolved settings.
pub(super) fn faults(settings: &Settings) -> Vec<Fault> {
    let mut faults = Faults::default();
    faults.name("site", SiteId::new(&settings.site));
    if jiff::tz::TimeZone::get(&settings.time_zone).is_err() {
        let zone = &settings.time_zone;
        faults.add("time_zone", format!("there is no time zone {zone:?}"), "as in \"Asia/Shanghai\"");
    }
    doors(settings, &mut faults);
    faults.at_least("profiles.watch", settings.profiles.watch, Span::ms(10));
    if let Some(entry) = settings.commands.wrong() {
        let message = format!("{entry:?} allows nothing");
        faults.add(
            "commands.allow",
            message,
            "class/command or device/command, as in \"drug_cabinet/unlock\"",
        );
    }
    hooks(settings, &mut faults);
    journal(settings, &mut faults);
    links(settings, &mut faults);
    outward(settings, &mut faults);
    faults.0
}

fn doors(settings: &Settings, faults: &mut Faults) {
    faults.address("listener.bind", &settings.listener.bind);
    faults.address("http.bind", &settings.http.bind);
    if !settings.http.ingest_bind.is_empty() {
        faults.address("http.ingest_bind", &settings.http.ingest_bind);
    }
    if settings.http.bind.parse::<SocketAddr>().is_ok_and(|a| !a.ip().is_loopback()) {
        faults.add(
            "http.bind",
            "the boards and the API answer on this machine only, until accounts exist",
            "bind 127.0.0.1, and let a front proxy with its own log-in stand before it; devices may come in by http.ingest_bind",
        );
    }
}

fn hooks(settings: &Settings, faults: &mut Faults) {
    if settings.site == "hooks" && !settings.http.hooks.is_empty() {
        faults.add("site", "cannot be \"hooks\" where [http.hooks] are", "choose another name for the site");
    }
    for (name, hook) in &settings.http.hooks {
        faults.link("http.hooks", name);
        let path = format!("http.hooks.{name}");
        let mut header = |key: &str, text: &str| {
            if axum::http::HeaderName::from_bytes(text.as_bytes()).is_err() {
                let message = format!("{text:?} is no name of a header");
                faults.add(&format!("{path}.{key}"), message, "as in \"X-Signature\"");
            }
        };
        header("header", &hook.header);
        let timed = hook.signed == HookSigned::TimestampBody;
        match (&hook.timestamp_header, timed) {
            (Some(text), true) => header("timestamp_header", text),
            (None, true) => faults.add(
                &format!("{path}.timestamp_header"),
                "is missing: it names the time that is signed",
                "as in \"X-Timestamp\"",
            ),
            (Some(_), false) => faults.add(
                &format!("{path}.timestamp_header"),
                "says nothing when the body alone is signed",
                "write signed = \"timestamp.body\", or leave it out",
            ),
            (None, false) => {}
        }
        faults.at_least(&format!("{path}.tolerance"), hook.tolerance, Span::seconds(1));
        if hook.secret_file.is_some() == hook.secret_env.is_some() {
            let message = "needs its secret from one place";
            faults.add(&path, message, "secret_file = \"...\" or secret_env = \"...\"");
        }
    }
}

fn journal(settings: &Settings, faults: &mut Faults) {
    let journal = &settings.journal;
    if journal.segment_bytes < Size(1 << 20) || journal.segment_bytes > Size(1 << 30) {
        faults.add("journal.segment_bytes", format!("{} cannot be", journal.segment_bytes), "1MiB to 1GiB");
    }
    if journal.keep_bytes.0 < 4 * journal.segment_bytes.0 {
        faults.add(
            "journal.keep_bytes",
            "is less than four segments",
            "raise it, or lower journal.segment_bytes",
        );
    }
    faults.at_least("retention.readings", settings.retention.readings, Span::days(1));
    faults.at_least("retention.alerts", settings.retention.alerts, Span::days(1));
    faults.at_least("retention.notices", settings.retention.notices, Span::days(1));
    faults.at_least("privacy.keep", settings.privacy.keep, Span::days(1));
    for (class, keep) in &settings.retention.class {
        faults.name(&format!("retention.class.{class}"), ClassId::new(class));
        faults.at_least(&format!("retention.class.{class}"), *keep, Span::days(1));
    }
}

fn links(settings: &Settings, faults: &mut Faults) {
    for (name, mqtt) in &settings.mqtt {
        faults.link("mqtt", name);
        faults.url(
            &format!("mqtt.{name}.url"),
            &mqtt.url,
            &["mqtt", "mqtts"],
            "as in \"mqtt://broker:1883\"",
        );
        if mqtt.subscribe.is_empty() {
            faults.add(&format!("mqtt.{name}.subscribe"), "names no topic", "as in [\"orderly/v1/#\"]");
        }
        if mqtt.qos > 2 {
            faults.add(
                &format!("mqtt.{name}.qos"),
                format!("{} is no quality of service", mqtt.qos),
                "0, 1 or 2",
            );
        }
        if mqtt.receive_maximum == 0 {
            faults.add(&format!("mqtt.{name}.receive_maximum"), "0 would let nothing in", "1 to 65535");
        }
    }
    for (name, modbus) in &settings.modbus {
        faults.link("modbus", name);
        let path = format!("modbus.{name}");
        modbus_address(&format!("{path}.address"), &modbus.address, faults);
        for (i, address) in modbus.backup.iter().enumerate() {
            modbus_address(&format!("{path}.backup.{i}"), address, faults);
        }
        if !(300..=4_000_000).contains(&modbus.baud) {
            faults.add(&format!("{path}.baud"), format!("{} is no speed", modbus.baud), "as in 9600");
        }
        if !(1..=2).contains(&modbus.stop_bits) {
            faults.add(
                &format!("{path}.stop_bits"),
                format!("{} is not possible", modbus.stop_bits),
                "1 or 2",
            );
        }
        modbus_tls(&path, modbus, faults);
        faults.at_least(&format!("{path}.timeout"), modbus.timeout, Span::ms(10));
        for (i, device) in modbus.device.iter().enumerate() {
            let path = format!("{path}.device.{i}");
            faults.name(&format!("{path}.id"), DeviceId::new(&device.id));
            faults.name(&format!("{path}.class"), ClassId::new(&device.class));
            faults.at_least(&format!("{path}.every"), device.every, Span::ms(50));
            if device.unit > 247 && device.unit != 255 {
                faults.add(
                    &format!("{path}.unit"),
                    format!("{} is not a unit number", device.unit),
                    "0 to 247, or 255",
                );
            }
        }
    }
}

fn modbus_tls(path: &str, modbus: &ModbusSettings, faults: &mut Faults) {
    let files =
        [("ca_file", &modbus.ca_file), ("cert_file", &modbus.cert_file), ("key_file", &modbus.key_file)];
    if !modbus.tls {
        let named = files.iter().filter(|(_, file)| file.is_some()).map(|(key, _)| *key);
        for key in named.chain((!modbus.server_name.is_empty()).then_some("server_name")) {
            let hint = "write tls = true, or leave it out";
            faults.add(&format!("{path}.{key}"), "says nothing without TLS", hint);
        }
        return;
    }
    match (&modbus.cert_file, &modbus.key_file) {
        (Some(_), None) => {
            faults.add(&format!("{path}.key_file"), "is missing", "the file with the key of cert_file");
        }
        (None, Some(_)) => {
            let hint = "the file with the certificate that key_file belongs to";
            faults.add(&format!("{path}.cert_file"), "is missing", hint);
        }
        _ => {}
    }
    if std::iter::once(&modbus.address).chain(&modbus.backup).any(|address| address.starts_with('/')) {
        let hint = "leave it out, or give the serial port a link of its own";
        faults.add(&format!("{path}.tls"), "cannot be spoken on a serial port", hint);
    }
    if !modbus.server_name.is_empty() && !crate::tls::is_name(&modbus.server_name) {
        let message = format!("{:?} is no name of a server", modbus.server_name);
        faults.add(&format!("{path}.server_name"), message, "as in \"plc.hospital\"");
    }
}

fn modbus_address(path: &str, address: &str, faults: &mut Faults) {
    match address.rsplit_once(':') {
        _ if address.starts_with('/') => {}
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {}
        _ => faults.add(
            path,
            "is neither a host with a port nor a serial port",
            "as in \"10.0.0.7:502\" or \"/dev/ttyS1\"",
        ),
    }
}

fn outward(settings: &Settings, faults: &mut Faults) {
    const WEB: [&str; 2] = ["http", "https"];
    for (name, sink) in &settings.sinks {
        faults.link("sinks", name);
        faults.url(&format!("sinks.{name}.url"), &sink.url, &WEB, "as in \"http://127.0.0.1:8086\"");
        faults.at_least(&format!("sinks.{name}.timeout"), sink.timeout, Span::ms(100));
    }
    for (name, notify) in &settings.notify {
        faults.link("notify", name);
        faults.url(&format!("notify.{name}.url"), &notify.url, &WEB, "as in \"http://10.0.0.9/notices\"");
        faults.at_least(&format!("notify.{name}.timeout"), notify.timeout, Span::ms(100));
    }
}
