//! The TOML form of a layout.

use super::bits::Endian;
use super::{Case, Condition, Kind, Layout, Part, Size, Times, Unknown};
use crate::diagnostic::{Section, nearest};

/// Names of the types of whole and floating-point numbers, their bits, and whether they have a sign.
const WHOLE: [(&str, u32, bool); 14] = [
    ("u8", 8, false),
    ("u16", 16, false),
    ("u24", 24, false),
    ("u32", 32, false),
    ("u40", 40, false),
    ("u48", 48, false),
    ("u64", 64, false),
    ("i8", 8, true),
    ("i16", 16, true),
    ("i24", 24, true),
    ("i32", 32, true),
    ("i40", 40, true),
    ("i48", 48, true),
    ("i64", 64, true),
];
const OTHERS: [&str; 8] = ["f16", "f32", "f64", "bits", "bcd", "text", "bytes", "skip"];
/// Groups within one another.
const DEEPEST: usize = 4;

impl Layout {
    /// Reads `[[codec.field]]`, with `endian` for what says nothing else.
    pub fn read(codec: &Section<'_, '_>) -> Option<Self> {
        let endian = endian(codec, Endian::Big)?;
        let fields = codec.sections("field");
        if fields.is_empty() {
            codec.wrong_here("a binary codec needs [[codec.field]] for what stands in the payload", None);
            return None;
        }
        let mut known = Vec::new();
        let parts = parts(&fields, endian, &mut known, 0)?;
        Some(Self { parts })
    }
}

fn endian(section: &Section<'_, '_>, usual: Endian) -> Option<Endian> {
    if !section.has("endian") {
        return Some(usual);
    }
    Some([Endian::Big, Endian::Little][section.choice("endian", &["big", "little"])?])
}

fn parts(
    sections: &[Section<'_, '_>],
    endian: Endian,
    known: &mut Vec<String>,
    depth: usize,
) -> Option<Vec<Part>> {
    // All fields are read even when one is wrong, so that all mistakes are told at once.
    let found: Vec<Option<Part>> =
        sections.iter().map(|section| part(section, endian, known, depth)).collect();
    found.into_iter().collect()
}

fn part(section: &Section<'_, '_>, usual: Endian, known: &mut Vec<String>, depth: usize) -> Option<Part> {
    let endian = endian(section, usual)?;
    let name = section.text("name").map(str::to_owned);
    let at = count(section, "at");
    let hidden = section.flag("hidden").unwrap_or(false);
    let optional = section.flag("optional").unwrap_or(false);
    let when = match section.has("when") {
        true => Some(condition(&section.section("when")?, known)?),
        false => None,
    };
    let kind = kind(section, endian, known, depth)?;
    let needs_name = !matches!(kind, Kind::Tagged { .. }) && !section.is_text("skip");
    if name.is_none() && needs_name && section.text("type") != Some("skip") {
        section.wrong(
            "name",
            "the key \"name\" is missing; a field that nobody wants is type = \"skip\"",
            None,
        );
        return None;
    }
    if let (Some(name), Kind::Whole { .. } | Kind::Bcd { .. }) = (&name, &kind) {
        known.push(name.clone());
    }
    Some(Part { name, hidden, at, when, optional, kind })
}

fn kind(section: &Section<'_, '_>, endian: Endian, known: &mut Vec<String>, depth: usize) -> Option<Kind> {
    if section.has("fields") {
        return group(section, endian, known, depth);
    }
    if section.has("tagged") {
        return tagged(section, endian, known, depth);
    }
    let names: Vec<&str> = WHOLE.iter().map(|(name, ..)| *name).chain(OTHERS).collect();
    section.need_text("type")?;
    let place = section.choice("type", &names)?;
    if let Some((_, bits, signed)) = WHOLE.get(place) {
        return Some(Kind::Whole { bits: *bits, signed: *signed, endian });
    }
    Some(match OTHERS[place - WHOLE.len()] {
        "f16" => Kind::Float { bits: 16, endian },
        "f32" => Kind::Float { bits: 32, endian },
        "f64" => Kind::Float { bits: 64, endian },
        "bits" => {
            let bits = count(section, "bits").filter(|bits| (1..=64).contains(bits)).or_else(|| {
                section.wrong("bits", "type = \"bits\" needs the key \"bits\", from 1 to 64", None);
                None
            })?;
            let signed = section.flag("signed").unwrap_or(false);
            Kind::Whole { bits: u32::try_from(bits).ok()?, signed, endian }
        }
        "bcd" => match size(section, known)? {
            Size::Fixed(bytes) if (1..=9).contains(&bytes) => Kind::Bcd { bytes, endian },
            _ => {
                section.wrong("bytes", "type = \"bcd\" needs bytes = 1 to 9", None);
                return None;
            }
        },
        "text" => Kind::Text { bytes: size(section, known)? },
        _ => Kind::Bytes { bytes: size(section, known)? },
    })
}

fn group(section: &Section<'_, '_>, endian: Endian, known: &mut Vec<String>, depth: usize) -> Option<Kind> {
    if depth >= DEEPEST {
        section.wrong("fields", format!("more than {DEEPEST} groups within one another"), None);
        return None;
    }
    let times = if section.is_text("repeat") {
        match section.text("repeat")? {
            "rest" => Times::Rest,
            field => Times::Field(earlier(section, "repeat", field, known)?),
        }
    } else if section.has("repeat") {
        Times::Fixed(count(section, "repeat")?)
    } else {
        section.wrong(
            "repeat",
            "a group needs repeat: a number, the name of an earlier field, or \"rest\"",
            None,
        );
        return None;
    };
    let before = known.len();
    let parts = parts(&section.sections("fields"), endian, known, depth + 1)?;
    known.truncate(before);
    if parts.is_empty() {
        section.wrong("fields", "a group of nothing", None);
        return None;
    }
    Some(Kind::Group { times, parts })
}

fn tagged(section: &Section<'_, '_>, endian: Endian, known: &mut Vec<String>, depth: usize) -> Option<Kind> {
    if depth >= DEEPEST {
        section.wrong("tagged", format!("more than {DEEPEST} groups within one another"), None);
        return None;
    }
    let bits = [8, 16, 24, 32][section.choice("tagged", &["u8", "u16", "u24", "u32"])?];
    let unknown = match section.has("unknown") {
        true => [Unknown::Refuse, Unknown::Stop][section.choice("unknown", &["refuse", "stop"])?],
        false => Unknown::Refuse,
    };
    let mut cases = Vec::new();
    let sections = section.sections("case");
    for case in &sections {
        let tags = wholes(case, "is")?;
        let before = known.len();
        let parts = parts(&case.sections("fields"), endian, known, depth + 1)?;
        known.truncate(before);
        if let Some(tag) = tags.iter().find(|tag| cases.iter().any(|c: &Case| c.tags.contains(tag))) {
            case.wrong("is", format!("the tag {tag:#x} has a case already"), None);
            return None;
        }
        cases.push(Case { tags, parts });
    }
    if cases.is_empty() {
        section.wrong("tagged", "tags need [[case]] with is = [..] and fields = [..]", None);
        return None;
    }
    Some(Kind::Tagged { bits, endian, cases, unknown })
}

fn condition(section: &Section<'_, '_>, known: &[String]) -> Option<Condition> {
    if section.has("port") {
        return Some(Condition::Port(wholes(section, "port")?));
    }
    let field = earlier(section, "field", section.need_text("field")?, known)?;
    if section.has("bit") {
        let bit = count(section, "bit").filter(|bit| *bit < 64).or_else(|| {
            section.wrong("bit", "a bit is numbered from 0, the lowest, to 63", None);
            None
        })?;
        let set = section.flag("set").unwrap_or(true);
        return Some(Condition::Bit { field, bit: u32::try_from(bit).ok()?, set });
    }
    if !section.has("is") {
        section.wrong_here("a condition needs bit = n, is = [..] or port = [..]", None);
        return None;
    }
    Some(Condition::Is { field, values: wholes(section, "is")? })
}

/// Whole numbers in a list, in any of the ways TOML writes them.
fn wholes(section: &Section<'_, '_>, key: &str) -> Option<Vec<i128>> {
    let numbers = section.integers(key)?;
    if numbers.is_empty() {
        section.wrong(key, "expected at least one number", None);
        return None;
    }
    Some(numbers.into_iter().map(i128::from).collect())
}

fn size(section: &Section<'_, '_>, known: &[String]) -> Option<Size> {
    if section.is_text("bytes") {
        return match section.text("bytes")? {
            "rest" => Some(Size::Rest),
            field => earlier(section, "bytes", field, known).map(Size::Field),
        };
    }
    if !section.has("bytes") {
        section.wrong(
            "bytes",
            "the key \"bytes\" is missing: a number, the name of an earlier field, or \"rest\"",
            None,
        );
        return None;
    }
    count(section, "bytes").map(Size::Fixed)
}

fn earlier(section: &Section<'_, '_>, key: &str, field: &str, known: &[String]) -> Option<String> {
    if known.iter().any(|name| name == field) {
        return Some(field.to_owned());
    }
    let near = nearest(field, known.iter().map(String::as_str));
    section.wrong(
        key,
        format!("{field:?} is no field with a whole number before this one"),
        near.map(|near| format!("did you mean {near:?}?")),
    );
    None
}

fn count(section: &Section<'_, '_>, key: &str) -> Option<usize> {
    let number = section.integer(key)?;
    let count = usize::try_from(number).ok().filter(|count| *count <= 65_535);
    if count.is_none() {
        section.wrong(key, format!("{number} is not from 0 to 65535"), None);
    }
    count
}
