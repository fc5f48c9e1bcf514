//! A shipped profile as a maker reads it: where each value goes, in which unit and under which word.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_core::codec::registers::{Form, Order, Register, Table};
use orderly_core::unit::Unit;
use orderly_core::value::Missing;
use toml::{Table as Toml, Value as Entry};

use crate::shipped::BuiltIn;

/// What of a profile matters to whoever writes its payloads.
#[derive(Debug)]
pub struct Sheet {
    /// The profile.
    pub id: String,
    /// Its class.
    pub class: String,
    /// The stream that its messages go on where the topic names one.
    pub stream: String,
    /// The kind of its codec.
    pub codec: String,
    /// The Bluetooth characteristic.
    pub characteristic: String,
    /// The topic of devices that do not speak on ours.
    pub topic: Option<String>,
    /// Some value stands in that topic and nowhere else.
    pub reads_topic: bool,
    /// Place and format of the time.
    pub time: Option<(Vec<String>, String)>,
    /// Place of the counter.
    pub sequence: Option<Vec<String>>,
    /// Place of what changes with each start.
    pub boot: Option<Vec<String>>,
    /// Registers may be written here: the table, the first and the last address.
    pub writable: Vec<(String, u16, u16)>,
    /// A poll reads over so many registers that hold nothing.
    pub max_gap: u16,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

/// One metric of it.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// How it is written.
    pub shape: Shape,
    /// What is sent for no value, by the reason.
    pub missing: Vec<(Missing, String)>,
    /// What counts while a second message that would say it has not come.
    pub without: Option<String>,
}

/// Where a value stands.
#[derive(Debug)]
pub enum Place {
    /// In the document, or around it.
    Document(Vec<String>),
    /// In the topic.
    Topic(String),
    /// In a register.
    Register(Register),
}

/// How a value is written.
#[derive(Debug)]
pub enum Shape {
    /// A number, and what makes one of the canonical unit into one that is sent.
    Number {
        /// The unit that it is kept in, and the one that it is sent in.
        units: (Unit, Unit),
        /// Factor and offset of the profile.
        line: (f64, f64),
        /// Place and word of the unit, where the payload says it.
        said: Option<(Vec<String>, String)>,
    },
    /// What is sent for each state; the first counts.
    State(Vec<(String, String)>),
    /// A text as it is.
    Text,
}

/// All shipped profiles as sheets, by their names.
///
/// # Errors
/// What cannot be read; the profiles' own tests find everything else.
pub fn shipped() -> Result<BTreeMap<String, Arc<Sheet>>, String> {
    let mut sheets = BTreeMap::new();
    for path in BuiltIn::iter().filter(|path| path.ends_with(".toml")) {
        let Some(file) = BuiltIn::get(&path) else { continue };
        let text = String::from_utf8_lossy(&file.data);
        let table: Toml = text.parse().map_err(|error| format!("{path}: {error}"))?;
        // Rules and calendars are no profiles.
        if table.contains_key("profile") {
            let sheet = Sheet::read(&table).ok_or_else(|| format!("{path}: it cannot be simulated"))?;
            sheets.insert(sheet.id.clone(), Arc::new(sheet));
        }
    }
    Ok(sheets)
}

/// A text at a path of keys.
fn text(table: &Toml, keys: &[&str]) -> Option<String> {
    let (last, above) = keys.split_last()?;
    let mut at = table;
    for key in above {
        at = at.get(*key)?.as_table()?;
    }
    Some(at.get(*last)?.as_str()?.to_owned())
}

/// The names in a path such as `$.body.unit`.
fn steps(path: &str) -> Vec<String> {
    path.trim_start_matches(['$', '@', '.']).split('.').map(str::to_owned).collect()
}

fn decimal(entry: Option<&Entry>) -> Option<f64> {
    match entry? {
        Entry::Float(number) => Some(*number),
        Entry::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

fn address(entry: &Entry) -> Option<u16> {
    u16::try_from(entry.as_integer()?).ok()
}

impl Sheet {
    fn read(table: &Toml) -> Option<Self> {
        let metrics: Vec<Metric> = table
            .get("metric")?
            .as_array()?
            .iter()
            .map(|m| Metric::read(m.as_table()?))
            .collect::<Option<_>>()?;
        let codec = table.get("codec")?.as_table()?;
        let format = text(table, &["time", "format"]).unwrap_or_default();
        let path = |section: &str| text(table, &[section, "path"]).map(|path| steps(&path));
        let said = text(table, &["profile", "stream"]);
        Some(Self {
            id: text(table, &["profile", "id"])?,
            class: text(table, &["profile", "class"])?,
            stream: said.unwrap_or_else(|| "reading".to_owned()),
            codec: text(table, &["codec", "kind"])?,
            characteristic: text(table, &["codec", "characteristic"]).unwrap_or_default(),
            topic: text(table, &["match", "topic"]),
            reads_topic: metrics.iter().any(|metric| matches!(metric.place, Place::Topic(_))),
            time: path("time").map(|path| (path, format)),
            sequence: path("sequence"),
            boot: path("boot"),
            writable: writable(codec),
            max_gap: codec.get("max_gap").and_then(address).unwrap_or(8),
            metrics,
        })
    }

    /// A metric by its name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// Whether its devices are polled.
    pub fn is_polled(&self) -> bool {
        self.codec == "registers"
    }
}

/// `coil 0` and `holding 0..3` of the list of what may be written.
fn writable(codec: &Toml) -> Vec<(String, u16, u16)> {
    let list = codec.get("writable").and_then(Entry::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |entry: &Entry| {
        let (table, range) = entry.as_str()?.split_once(' ')?;
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        Some((table.to_owned(), first.parse().ok()?, last.parse().ok()?))
    };
    list.iter().filter_map(one).collect()
}

impl Metric {
    fn read(table: &Toml) -> Option<Self> {
        let place =
            match (text(table, &["path"]).or_else(|| text(table, &["outer"])), text(table, &["topic"])) {
                (Some(path), _) => Place::Document(steps(&path)),
                (None, Some(name)) => Place::Topic(name),
                (None, None) => Place::Register(register(table.get("register")?.as_table()?)?),
            };
        let shape = match (table.get("states"), table.get("unit")) {
            (Some(states), _) => Shape::State(states_of(states)?),
            (None, Some(unit)) => number(table, unit)?,
            (None, None) => Shape::Text,
        };
        let reasons = [
            ("high", Missing::High),
            ("low", Missing::Low),
            ("sensor_fault", Missing::SensorFault),
            ("absent", Missing::Absent),
            ("not_a_number", Missing::NotANumber),
        ];
        let word = |(key, reason): (&str, Missing)| {
            let first = table.get("missing")?.get(key)?.as_array()?.first()?;
            Some((reason, first.as_str().map_or_else(|| first.to_string(), str::to_owned)))
        };
        let missing = reasons.into_iter().filter_map(word).collect();
        let without = text(table, &["without"]);
        Some(Self { name: text(table, &["name"])?, place, shape, missing, without })
    }
}

fn states_of(states: &Entry) -> Option<Vec<(String, String)>> {
    match states {
        Entry::Array(list) => {
            list.iter().map(|token| Some((token.as_str()?.to_owned(), token.as_str()?.to_owned()))).collect()
        }
        Entry::Table(table) => {
            table.iter().map(|(sent, token)| Some((sent.clone(), token.as_str()?.to_owned()))).collect()
        }
        _ => None,
    }
}

fn number(table: &Toml, unit: &Entry) -> Option<Shape> {
    let (sent, said) = match unit {
        Entry::String(code) => (Unit::parse(code).ok()?, None),
        _ => {
            let unit = unit.as_table()?;
            let words = unit.get("words")?.as_table()?;
            let units =
                words.iter().filter_map(|(word, code)| Some((word, Unit::parse(code.as_str()?).ok()?)));
            // A payload that says its unit says the one that needs no conversion.
            let (word, unit_of) = units.into_iter().find(|(_, unit)| *unit == unit.canonical())?;
            (unit_of, Some((steps(unit.get("path")?.as_str()?), word.clone())))
        }
    };
    let kept = text(table, &["canonical"])
        .and_then(|code| Unit::parse(&code).ok())
        .unwrap_or_else(|| sent.canonical());
    let line = (decimal(table.get("scale")).unwrap_or(1.0), decimal(table.get("offset")).unwrap_or(0.0));
    Some(Shape::Number { units: (kept, sent), line, said })
}

fn register(table: &Toml) -> Option<Register> {
    let place = match table.get("kind")?.as_str()? {
        "coil" => Table::Coil,
        "discrete" => Table::Discrete,
        "holding" => Table::Holding,
        _ => Table::Input,
    };
    let form = match table.get("type").and_then(Entry::as_str) {
        None | Some("bit") if place.holds_bits() => Form::Bit(0),
        None | Some("u16") => Form::U16,
        Some("i16") => Form::I16,
        Some("u32") => Form::U32,
        Some("i32") => Form::I32,
        Some("f32") => Form::F32,
        Some(_) => return None,
    };
    let order = match table.get("order").and_then(Entry::as_str) {
        None | Some("abcd") => Order::Abcd,
        Some("cdab") => Order::Cdab,
        Some("badc") => Order::Badc,
        Some(_) => Order::Dcba,
    };
    Some(Register { table: place, address: address(table.get("address")?)?, form, order })
}

impl Shape {
    /// What is sent for a number of the canonical unit.
    pub fn sent(&self, value: f64) -> Option<f64> {
        let Self::Number { units: (kept, unit), line: (scale, offset), .. } = self else { return None };
        let sent = (kept.to(*unit)?.apply(value) - offset) / scale;
        // What the division leaves behind the last digit that a device has.
        Some((sent * 1e9).round() / 1e9)
    }

    /// What is sent for a state.
    pub fn word(&self, state: &str) -> Option<&str> {
        let Self::State(table) = self else { return None };
        table.iter().find(|(_, token)| token == state).map(|(sent, _)| &**sent)
    }
}
