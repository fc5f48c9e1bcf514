//! Where in a payload each wanted thing stands, for each codec.

use std::sync::Arc;

use crate::codec::Sent;
use crate::codec::json::{Limits, Paths};
use crate::codec::line::{Field, Line};
use crate::codec::registers::{Blocks, Form, Order, Register, Table};
use crate::diagnostic::Section;
use crate::ids::StreamId;

/// How payloads of a profile are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// JSON.
    Json,
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
    pub max_count: u16,
}

/// The kinds of place that a codec knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    Json,
    Line,
    Registers,
}

/// Where one wanted thing stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Path(String),
    Field(String),
    Tag(String),
    Register(Register),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
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
            Self::Json => {
                let path = section.text("path")?;
                if let Err(error) = Paths::new([path], Limits::default()) {
                    section.wrong("path", error.to_string(), None);
                    return None;
                }
                Some(Place::Path(path.to_owned()))
            }
            Self::Line => match (section.text("field"), section.text("tag")) {
                (Some(_), Some(_)) => {
                    section.wrong("tag", "a thing is either a field or a tag", None);
                    None
                }
                (Some(field), None) => Some(Place::Field(field.to_owned())),
                (None, tag) => tag.map(|tag| Place::Tag(tag.to_owned())),
            },
            Self::Registers => register(&section.section("register")?).map(Place::Register),
        }
    }

    /// Reads where a thing stands that must stand somewhere.
    pub(super) fn need(self, section: &Section<'_, '_>) -> Option<Place> {
        let place = self.read(section);
        let said = section.has(self.key()) || (self == Self::Line && section.has("tag"));
        if place.is_none() && !said {
            section.wrong(self.key(), format!("the key {:?} is missing", self.key()), None);
        }
        place
    }

    /// The key by which a place is given.
    const fn key(self) -> &'static str {
        match self {
            Self::Json => "path",
            Self::Line => "field",
            Self::Registers => "register",
        }
    }
}

fn register(section: &Section<'_, '_>) -> Option<Register> {
    let tables = [Table::Coil, Table::Discrete, Table::Holding, Table::Input];
    section.need_text("kind")?;
    let table = tables[section.choice("kind", &["coil", "discrete", "holding", "input"])?];
    let orders = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];
    let order = section.choice("order", &["abcd", "cdab", "badc", "dcba"]).map_or(Order::Abcd, |n| orders[n]);
    let form = section.choice("type", &["u16", "i16", "u32", "i32", "f32", "bit"]);
    let bit = small(section, "bit", 15);
    if !section.has("address") {
        section.wrong("address", "the key \"address\" is missing", None);
    }
    let address = small(section, "address", u16::MAX)?;
    let form = match (form, table.holds_bits()) {
        (None | Some(5), true) => Form::Bit(0),
        (Some(_), true) => {
            section.wrong("type", "coils and discrete inputs are bits; leave the type out", None);
            return None;
        }
        (Some(5), false) => Form::Bit(
            u8::try_from(bit.or_else(|| {
                section.wrong("bit", "the type \"bit\" needs the key \"bit\", 0 being the lowest", None);
                None
            })?)
            .ok()?,
        ),
        (form, false) => [Form::U16, Form::I16, Form::U32, Form::I32, Form::F32][form.unwrap_or(0)],
    };
    if section.has("bit") && !matches!(form, Form::Bit(_)) {
        section.wrong("bit", "a bit needs type = \"bit\"", None);
        return None;
    }
    Some(Register { table, address, form, order })
}

fn small(section: &Section<'_, '_>, key: &str, most: u16) -> Option<u16> {
    let n = section.integer(key)?;
    let fits = u16::try_from(n).ok().filter(|n| *n <= most);
    if fits.is_none() {
        section.wrong(key, format!("{n} is not from 0 to {most}"), None);
    }
    fits
}

/// What is wanted of a payload.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub metrics: Vec<Place>,
    pub time: Option<Place>,
    pub sequence: Option<Place>,
    pub boot: Option<Place>,
    pub device: Option<Place>,
    pub stream: Option<Place>,
}

/// All places, compiled. Metrics come first, in their order; then the others, each at its slot.
#[derive(Debug)]
pub(super) struct Layout {
    pub picker: Picker,
    pub time: Option<usize>,
    pub sequence: Option<usize>,
    pub boot: Option<usize>,
    pub device: Option<usize>,
    pub stream: Option<usize>,
    /// The stream when neither topic nor payload names one.
    pub default_stream: StreamId,
    /// The name that most topics end in, so that it costs no allocation.
    pub known_stream: (Arc<str>, StreamId),
}

/// What picks values out of a payload.
#[derive(Debug)]
pub(super) enum Picker {
    Json(Paths),
    /// Fields and tags of a line.
    Line(Vec<Place>),
    Registers(Vec<Place>),
}

impl Layout {
    pub(super) fn registers(&self) -> Vec<Register> {
        let Picker::Registers(places) = &self.picker else { return Vec::new() };
        let register = |place: &Place| match place {
            Place::Register(register) => Some(*register),
            Place::Path(_) | Place::Field(_) | Place::Tag(_) => None,
        };
        places.iter().filter_map(register).collect()
    }

    pub(super) fn new(places: Places, wanted: Wanted, default_stream: StreamId) -> Result<Self, String> {
        let mut all = wanted.metrics;
        let mut slot = |place: Option<Place>| {
            place.map(|place| {
                all.push(place);
                all.len() - 1
            })
        };
        let (time, sequence, boot) = (slot(wanted.time), slot(wanted.sequence), slot(wanted.boot));
        let (device, stream) = (slot(wanted.device), slot(wanted.stream));
        let picker = match places {
            Places::Json => {
                let paths = all.iter().map(|place| match place {
                    Place::Path(path) => path.as_str(),
                    Place::Field(_) | Place::Tag(_) | Place::Register(_) => "$",
                });
                Picker::Json(Paths::new(paths, Limits::default()).map_err(|e| e.to_string())?)
            }
            Places::Line => Picker::Line(all),
            Places::Registers => Picker::Registers(all),
        };
        let known_stream = (Arc::from(default_stream.as_str()), default_stream.clone());
        Ok(Self { picker, time, sequence, boot, device, stream, default_stream, known_stream })
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
        Place::Path(_) | Place::Register(_) => Sent::Absent,
    }
}

/// What a poll brought for a place.
pub(super) fn in_poll(blocks: &Blocks<'_>, place: &Place) -> Sent<'static> {
    match place {
        Place::Register(register) => blocks.value(register),
        Place::Path(_) | Place::Field(_) | Place::Tag(_) => Sent::Absent,
    }
}
