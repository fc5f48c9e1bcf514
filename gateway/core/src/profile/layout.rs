//! Where in a payload each wanted thing stands, for each codec.

use std::sync::Arc;

use crate::codec::Sent;
use crate::codec::json::{Limits, Paths};
use crate::codec::line::{Field, Line};
use crate::codec::registers::{Blocks, Register, Table, Written};
use crate::diagnostic::Section;
use crate::ids::StreamId;

/// How payloads of a profile are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// A document: JSON, or what a codec writes as JSON.
    Document,
    /// Line protocol.
    Line,
    /// Modbus polls, see [`crate::codec::registers`].
    Registers(Poll),
}

/// How a Modbus unit is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Milliseconds from one poll to the next.
    pub every_ms: u64,
    /// Registers that nobody wants may be read along with others, if not more than this lie between.
    pub max_gap: u16,
    /// Registers that one request may ask for.
    pub max_registers: u16,
    /// Coils or inputs that one request may ask for.
    pub max_bits: u16,
    /// What must never be asked for, not even along with others.
    pub illegal: [Option<Illegal>; 8],
    /// What commands may write; all else is read-only.
    pub writable: [Option<Illegal>; 8],
}

impl Poll {
    /// Whether all of this may be written.
    #[must_use]
    pub fn may_write(&self, written: &Written) -> bool {
        let last = written.start.saturating_add(written.count().saturating_sub(1));
        self.writable
            .iter()
            .flatten()
            .any(|range| range.table == written.table() && range.first <= written.start && last <= range.last)
    }
}

/// A range of registers: those that a unit does not have or must not be asked for, or those that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illegal {
    /// Of which table.
    pub table: Table,
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Illegal {
    /// Reads `holding 10..19` or `input 7`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no range of registers; write \"holding 10..19\" or \"input 7\"");
        let (table, range) = text.split_once(' ').ok_or_else(wrong)?;
        let table = match table {
            "coil" => Table::Coil,
            "discrete" => Table::Discrete,
            "holding" => Table::Holding,
            "input" => Table::Input,
            _ => return Err(wrong()),
        };
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let number = |n: &str| n.trim().parse::<u16>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        if first <= last { Ok(Self { table, first, last }) } else { Err(wrong()) }
    }
}

/// The kinds of place that a codec knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// Paths into a document, into its items when it is split, and into the envelope around it.
    Document {
        split: bool,
        envelope: bool,
    },
    Line,
    Registers,
}

/// Where one wanted thing stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// In the document.
    Path(String),
    /// In the item of the document that this reading comes from; written with `@` for `$`.
    Item(String),
    /// In the envelope around the payload.
    Outer(String),
    /// A named wildcard of the topic.
    Topic(String),
    Field(String),
    Tag(String),
    Register(Register),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Item(path) => write!(f, "@{}", &path[1..]),
            Self::Outer(path) => write!(f, "{path} of the envelope"),
            Self::Topic(name) => write!(f, "{{{name}}} of the topic"),
            Self::Field(name) => write!(f, "field {name}"),
            Self::Tag(name) => write!(f, "tag {name}"),
            Self::Register(register) => register.fmt(f),
        }
    }
}

impl Places {
    /// Reads where a thing stands; `None` when nothing is said (or it is wrong, which is then reported).
    pub(super) fn read(self, section: &Section<'_, '_>) -> Option<Place> {
        match self {
            Self::Document { split, envelope } => document(section, split, envelope),
            Self::Line => match (section.text("field"), section.text("tag")) {
                (Some(_), Some(_)) => {
                    section.wrong("tag", "a thing is either a field or a tag", None);
                    None
                }
                (Some(field), None) => Some(Place::Field(field.to_owned())),
                (None, tag) => tag.map(|tag| Place::Tag(tag.to_owned())),
            },
            Self::Registers => super::register::read(&section.section("register")?).map(Place::Register),
        }
    }

    /// Reads where a thing stands that must stand somewhere.
    pub(super) fn need(self, section: &Section<'_, '_>) -> Option<Place> {
        let place = self.read(section);
        let said = section.has(self.key())
            || (self == Self::Line && section.has("tag"))
            || (matches!(self, Self::Document { .. }) && (section.has("outer") || section.has("topic")));
        if place.is_none() && !said {
            section.wrong(self.key(), format!("the key {:?} is missing", self.key()), None);
        }
        place
    }

    /// The key by which a place is given.
    const fn key(self) -> &'static str {
        match self {
            Self::Document { .. } => "path",
            Self::Line => "field",
            Self::Registers => "register",
        }
    }
}

fn document(section: &Section<'_, '_>, split: bool, envelope: bool) -> Option<Place> {
    if section.has("outer") {
        let outer = section.text("outer")?;
        if !envelope {
            section.wrong("outer", "there is no [envelope] around the payload", None);
            return None;
        }
        return checked(section, "outer", outer).map(Place::Outer);
    }
    if section.has("topic") {
        return section.text("topic").map(|name| Place::Topic(name.to_owned()));
    }
    let path = section.text("path")?;
    match path.strip_prefix('@') {
        Some(_) if !split => {
            let hint = "write \"$\" for the document, or split it with each = \"$.list[*]\" under [codec]"
                .to_owned();
            section.wrong(
                "path",
                "\"@\" is the item of a document that is split, and this one is not",
                Some(hint),
            );
            None
        }
        Some(rest) => checked(section, "path", &format!("${rest}")).map(Place::Item),
        None => checked(section, "path", path).map(Place::Path),
    }
}

fn checked(section: &Section<'_, '_>, key: &str, path: &str) -> Option<String> {
    match Paths::new([path], Limits::default()) {
        Ok(_) => Some(path.to_owned()),
        Err(error) => {
            section.wrong(key, error.to_string(), None);
            None
        }
    }
}

/// What is wanted of a payload.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub metrics: Vec<Place>,
    /// Where the payload says the unit of a metric, by the metric's place in the list.
    pub units: Vec<(usize, Place)>,
    pub time: Option<Place>,
    /// What is added to the time.
    pub time_offset: Option<Place>,
    /// Seconds from receipt, where there is no time.
    pub relative: Option<Place>,
    pub sequence: Option<Place>,
    pub boot: Option<Place>,
    pub device: Option<Place>,
    pub stream: Option<Place>,
}

impl Wanted {
    /// Whether each item of a split document has a time of its own.
    pub(super) const fn own_time(&self) -> bool {
        matches!((&self.time, &self.time_offset), (Some(Place::Item(_)), _) | (_, Some(Place::Item(_))))
    }
}

impl Wanted {
    /// All places that are wanted.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        let others = [&self.time, &self.time_offset, &self.sequence, &self.boot, &self.device, &self.stream];
        let units = self.units.iter().map(|(_, unit)| unit);
        self.metrics.iter().chain(units).chain(others.into_iter().flatten())
    }

    /// The wildcards of the topic that are wanted.
    pub(super) fn of_topic(&self) -> impl Iterator<Item = &str> {
        self.places().filter_map(|place| match place {
            Place::Topic(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// All places, compiled. Metrics come first, in their order; then the others, each at its slot.
#[derive(Debug)]
pub(super) struct Layout {
    pub picker: Picker,
    /// Slots of units that the payload says, by metric.
    pub units: Vec<(usize, usize)>,
    pub time: Option<usize>,
    pub time_offset: Option<usize>,
    pub relative: Option<usize>,
    pub sequence: Option<usize>,
    pub boot: Option<usize>,
    pub device: Option<usize>,
    pub stream: Option<usize>,
    /// Each item of a split document has a time of its own.
    pub own_time: bool,
    /// Each item of a split document has a sequence number of its own.
    pub own_sequence: bool,
    /// The stream when neither topic nor payload names one.
    pub default_stream: StreamId,
    /// The name that most topics end in, so that it costs no allocation.
    pub known_stream: (Arc<str>, StreamId),
}

/// What picks values out of a payload.
#[derive(Debug)]
pub(super) enum Picker {
    Document(Box<Documents>),
    /// Fields and tags of a line.
    Line(Vec<Place>),
    Registers(Vec<Place>),
}

/// Paths into a document, its items and its envelope. Each set has a slot for every wanted thing.
#[derive(Debug)]
pub(super) struct Documents {
    pub document: Paths,
    /// `None`: nothing of the items is wanted.
    pub item: Option<Paths>,
    /// `None`: nothing of the envelope is wanted.
    pub outer: Option<Paths>,
    /// Slots of wildcards of the topic, with their names.
    pub topic: Vec<(usize, String)>,
}

impl Documents {
    fn new(places: &[Place]) -> Result<Self, String> {
        let compile = |of: fn(&Place) -> Option<&str>| {
            let some = places.iter().any(|place| of(place).is_some());
            let paths = Paths::sparse(places.iter().map(of), Limits::default()).map_err(|e| e.to_string())?;
            Ok::<_, String>((paths, some))
        };
        let (document, _) = compile(|place| match place {
            Place::Path(path) => Some(path),
            _ => None,
        })?;
        let (item, in_items) = compile(|place| match place {
            Place::Item(path) => Some(path),
            _ => None,
        })?;
        let (outer, in_envelope) = compile(|place| match place {
            Place::Outer(path) => Some(path),
            _ => None,
        })?;
        let of_topic = |(slot, place): (usize, &Place)| match place {
            Place::Topic(name) => Some((slot, name.clone())),
            _ => None,
        };
        let topic = places.iter().enumerate().filter_map(of_topic).collect();
        Ok(Self { document, item: in_items.then_some(item), outer: in_envelope.then_some(outer), topic })
    }
}

impl Layout {
    pub(super) fn registers(&self) -> Vec<Register> {
        let Picker::Registers(places) = &self.picker else { return Vec::new() };
        let register = |place: &Place| match place {
            Place::Register(register) => Some(*register),
            _ => None,
        };
        places.iter().filter_map(register).collect()
    }

    pub(super) fn new(places: Places, wanted: Wanted, default_stream: StreamId) -> Result<Self, String> {
        let own_time = wanted.own_time();
        let own_sequence = matches!(wanted.sequence, Some(Place::Item(_)));
        let mut all = wanted.metrics;
        let mut slot = |place: Option<Place>| {
            place.map(|place| {
                all.push(place);
                all.len() - 1
            })
        };
        let (time, sequence, boot) = (slot(wanted.time), slot(wanted.sequence), slot(wanted.boot));
        let (time_offset, relative) = (slot(wanted.time_offset), slot(wanted.relative));
        let units = wanted.units.into_iter().filter_map(|(metric, unit)| Some((metric, slot(Some(unit))?)));
        let units = units.collect();
        let (device, stream) = (slot(wanted.device), slot(wanted.stream));
        let picker = match places {
            Places::Document { .. } => Picker::Document(Box::new(Documents::new(&all)?)),
            Places::Line => Picker::Line(all),
            Places::Registers => Picker::Registers(all),
        };
        let known_stream = (Arc::from(default_stream.as_str()), default_stream.clone());
        Ok(Self {
            picker,
            units,
            time,
            time_offset,
            relative,
            sequence,
            boot,
            device,
            stream,
            own_time,
            own_sequence,
            default_stream,
            known_stream,
        })
    }
}

/// What a line holds at a place.
pub(super) fn in_line<'a>(line: &'a Line<'_>, place: &Place) -> Sent<'a> {
    match place {
        Place::Tag(name) => line.tag(name).map_or(Sent::Absent, |value| Sent::Text(value.into())),
        Place::Field(name) => match line.field(name) {
            None => Sent::Absent,
            Some(Field::Float(n)) => Sent::Float(*n),
            Some(Field::Integer(n)) => Sent::Whole(*n),
            Some(Field::Unsigned(n)) => {
                i64::try_from(*n).map_or_else(|_| Sent::Digits(n.to_string().into()), Sent::Whole)
            }
            Some(Field::Flag(flag)) => Sent::Flag(*flag),
            Some(Field::Text(text)) => Sent::Text(text.as_ref().into()),
        },
        _ => Sent::Absent,
    }
}

/// What a poll brought for a place.
pub(super) fn in_poll(blocks: &Blocks<'_>, place: &Place) -> Sent<'static> {
    match place {
        Place::Register(register) => blocks.value(register),
        _ => Sent::Absent,
    }
}
