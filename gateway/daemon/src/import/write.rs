//! One profile, written so that a person can go on with it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orderly_core::ids::{ClassId, ProfileId};
use serde_json::{Value, json};

use super::cases::Task;
use super::metrics::{self, Kind, Metric};
use super::{Case, Device};

/// The name and the text of a device's profile.
pub(super) fn profile(device: &Device, class: &ClassId, cases: &[&Case]) -> Result<(String, String), String> {
    let id = id(device)?;
    let documents = cases.iter().filter_map(|case| match &case.task {
        Task::Decode(_, data) => data.as_ref(),
        Task::Encode(..) => None,
    });
    let (metrics, left) = metrics::of(documents);
    if metrics.is_empty() {
        return Err("its cases show no single value, only lists".to_owned());
    }
    let mut text = head(&id, device, class, &variables(cases));
    for path in &left {
        _ = writeln!(text, "# Left out, because it is a list, a long text or of several kinds: {path}");
    }
    for one in &metrics {
        metric(&mut text, one);
    }
    let before = text.len();
    for case in cases {
        test(&mut text, case, &metrics);
    }
    match text.len() > before {
        true => Ok((id, text)),
        false => Err("none of its cases shows a value that can be read".to_owned()),
    }
}

/// Vendor and model as a name, the vendor once.
fn id(device: &Device) -> Result<String, String> {
    let stem = device.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".toml");
    let plain = |text: &str| -> String {
        let small = text.to_ascii_lowercase();
        small.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
    };
    let (vendor, stem) = (plain(&device.vendor), plain(stem));
    let id = if stem.starts_with(&vendor) { stem } else { format!("{vendor}-{stem}") };
    let id = id[..id.len().min(64)].trim_end_matches(['-', '.']).to_owned();
    ProfileId::new(&id).map_err(|error| error.to_string())?;
    Ok(id)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What all cases say to the codec; a profile has one set.
fn variables(cases: &[&Case]) -> Vec<(String, String)> {
    cases.first().map(|case| case.variables.clone()).unwrap_or_default()
}

fn head(id: &str, device: &Device, class: &ClassId, variables: &[(String, String)]) -> String {
    let variables: Vec<String> =
        variables.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
    let variables = match variables.is_empty() {
        true => String::new(),
        false => format!("variables = {{ {} }}\n", variables.join(", ")),
    };
    format!(
        "# Imported from {name}. Look at the class, the names and the units before it goes into force.\n\n\
         [profile]\nid = {id}\nclass = {class}\nvendor = {vendor}\nmodel = {model}\nversion = {version}\nschema = 1\n\
         named_only = true\n\n\
         [source]\ndocument = \"ChirpStack device profiles\"\nsection = {section}\n\n\
         [match]\ntopic = \"application/{{application}}/device/{{device}}/event/up\"\n\n\
         [envelope]\nkind = \"chirpstack\"\n\n\
         [codec]\nkind = \"javascript\"\nfile = {file}\n{variables}\n",
        name = device.name,
        id = quoted(id),
        class = quoted(class.as_str()),
        vendor = quoted(&device.vendor_name),
        model = quoted(&device.model),
        version = quoted(&device.firmware),
        section = quoted(&device.name),
        file = quoted(&format!("{id}.js")),
    )
}

fn metric(text: &mut String, metric: &Metric) {
    let kind = match metric.kind {
        Kind::Number => {
            let unit = quoted(metrics::unit(&metric.name));
            format!("unit = {unit}\ncanonical = {unit}")
        }
        Kind::Flag => "states = { true = \"true\", false = \"false\" }".to_owned(),
        Kind::Text => "text = true".to_owned(),
    };
    let (name, path) = (quoted(&metric.name), quoted(&metric.path));
    _ = write!(text, "[[metric]]\nname = {name}\npath = {path}\n{kind}\nrequired = false\n\n");
}

/// One case as the network server sends it.
fn test(text: &mut String, case: &Case, metrics: &[Metric]) {
    let Task::Decode(bytes, data) = &case.task else { return };
    let expected: Vec<(&Metric, &Value)> = data
        .iter()
        .flat_map(|data| metrics.iter().filter_map(|metric| Some((metric, metrics::value(data, metric)?))))
        .collect();
    if data.is_some() && expected.is_empty() {
        return;
    }
    let envelope = json!({ "fPort": case.port, "data": STANDARD.encode(bytes) });
    _ = write!(
        text,
        "[[test]]\ntopic = \"application/1/device/0102030405060708/event/up\"\ninput = {}\nfrom = {}\n",
        quoted(&envelope.to_string()),
        quoted(&case.name)
    );
    if let Some(received) = case.received {
        _ = writeln!(text, "received = \"{received}\"");
    }
    if data.is_none() {
        text.push_str("error = \"malformed\"\n\n");
        return;
    }
    text.push_str("[test.expect]\n");
    for (metric, value) in expected {
        let value = match value {
            Value::String(text) => quoted(text),
            Value::Bool(flag) => quoted(&flag.to_string()),
            other => other.to_string(),
        };
        _ = writeln!(text, "{} = {value}", quoted(&metric.name));
    }
    text.push('\n');
}
