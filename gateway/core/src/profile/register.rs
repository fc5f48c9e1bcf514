//! The TOML form of a register: table, address, type and order of bytes.

use crate::codec::registers::{Form, Order, Register, Table};
use crate::diagnostic::Section;

/// The types, as profiles name them.
const TYPES: [&str; 17] = [
    "u16", "i16", "u32", "i32", "u64", "i64", "f16", "f32", "f64", "u8_high", "u8_low", "i8_high", "i8_low",
    "bit", "bits", "bcd", "string",
];
const TABLES: [(&str, Table); 4] = [
    ("coil", Table::Coil),
    ("discrete", Table::Discrete),
    ("holding", Table::Holding),
    ("input", Table::Input),
];
/// Most registers of a text.
const LONGEST_TEXT: u16 = 64;

/// Reads a register; `None` when something is wrong, which is then reported.
pub(super) fn read(section: &Section<'_, '_>) -> Option<Register> {
    let named = section.choice("kind", &TABLES.map(|(name, _)| name)).map(|n| TABLES[n].1);
    let said = match section.is_text("address") {
        true => text_address(section, named)?,
        false => {
            section.need_text("kind")?;
            (named?, number_address(section)?)
        }
    };
    let (table, address) = said;
    let orders = [Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba];
    let order = section.choice("order", &["abcd", "cdab", "badc", "dcba"]).map_or(Order::Abcd, |n| orders[n]);
    let kind = section.choice("type", &TYPES).map(|n| TYPES[n]);
    if section.has("type") && kind.is_none() {
        return None;
    }
    let form = match (kind, table.holds_bits()) {
        (None | Some("bit"), true) => Form::Bit(0),
        (Some(_), true) => {
            section.wrong("type", "coils and discrete inputs are bits; leave the type out", None);
            return None;
        }
        (kind, false) => form(section, kind.unwrap_or("u16"))?,
    };
    if section.has("bit") && !matches!(form, Form::Bit(_) | Form::Bits { .. }) {
        section.wrong("bit", "a bit needs type = \"bit\" or \"bits\"", None);
        return None;
    }
    if section.has("count") && !matches!(form, Form::Bits { .. } | Form::Bcd(_) | Form::Text(_)) {
        section.wrong("count", "only \"bits\", \"bcd\" and \"string\" have a count", None);
        return None;
    }
    if matches!(form, Form::Text(_)) && matches!(order, Order::Cdab | Order::Dcba) {
        section.wrong("order", "characters come word after word; only abcd and badc make sense", None);
        return None;
    }
    if usize::from(address) + usize::from(form.words()) > 0x1_0000 {
        section.wrong("address", "the value would end after the last register", None);
        return None;
    }
    Some(Register { table, address, form, order })
}

fn form(section: &Section<'_, '_>, kind: &str) -> Option<Form> {
    Some(match kind {
        "i16" => Form::I16,
        "u32" => Form::U32,
        "i32" => Form::I32,
        "u64" => Form::U64,
        "i64" => Form::I64,
        "f16" => Form::F16,
        "f32" => Form::F32,
        "f64" => Form::F64,
        "u8_high" => Form::U8 { high: true },
        "u8_low" => Form::U8 { high: false },
        "i8_high" => Form::I8 { high: true },
        "i8_low" => Form::I8 { high: false },
        "bit" => Form::Bit(byte(need(section, "bit", 0, 15, "which bit, 0 being the lowest")?)),
        "bits" => {
            let from = need(section, "bit", 0, 15, "the lowest of the bits")?;
            let count = need(section, "count", 1, 16 - from, "how many bits")?;
            Form::Bits { from: byte(from), count: byte(count) }
        }
        "bcd" => match section.has("count") {
            true => Form::Bcd(byte(need(section, "count", 1, 4, "how many registers")?)),
            false => Form::Bcd(1),
        },
        "string" => Form::Text(byte(need(section, "count", 1, LONGEST_TEXT, "how many registers")?)),
        _ => Form::U16,
    })
}

/// An address as it goes over the wire, or counted from 1 as many manuals do.
fn number_address(section: &Section<'_, '_>) -> Option<u16> {
    let base = match section.has("address_base") {
        true => need(section, "address_base", 0, 1, "0 or 1")?,
        false => 0,
    };
    need(section, "address", base, u16::MAX, "the address").map(|address| address - base)
}

/// An address as `"40001"`: the first digit is the table, the others count from 1.
fn text_address(section: &Section<'_, '_>, named: Option<Table>) -> Option<(Table, u16)> {
    let text = section.text("address")?;
    let wrong = |message: String| {
        let hint = "write address = 0 with a kind, or \"40001\" for the first holding register";
        section.wrong("address", message, Some(hint.to_owned()));
        None
    };
    let digits = matches!(text.len(), 5 | 6) && text.bytes().all(|b| b.is_ascii_digit());
    let table = match text.as_bytes().first() {
        Some(b'0') => Table::Coil,
        Some(b'1') => Table::Discrete,
        Some(b'3') => Table::Input,
        Some(b'4') => Table::Holding,
        _ => return wrong(format!("{text:?} begins with no table: 0, 1, 3 or 4")),
    };
    let number = text[1..].parse::<u32>().ok().filter(|_| digits);
    let Some(address) = number.and_then(|n| n.checked_sub(1)).and_then(|n| u16::try_from(n).ok()) else {
        return wrong(format!("{text:?} is no address of five or six digits"));
    };
    if section.has("address_base") {
        section.wrong("address_base", "an address as text counts from 1 already", None);
        return None;
    }
    if named.is_some_and(|named| named != table) {
        return wrong(format!("{text:?} is not in the table that `kind` names"));
    }
    Some((table, address))
}

fn need(section: &Section<'_, '_>, key: &str, least: u16, most: u16, what: &str) -> Option<u16> {
    if !section.has(key) {
        section.wrong(key, format!("the key {key:?} is missing: {what}"), None);
        return None;
    }
    let n = section.integer(key)?;
    let fits = u16::try_from(n).ok().filter(|n| (least..=most).contains(n));
    if fits.is_none() {
        section.wrong(key, format!("{n} is not from {least} to {most}"), None);
    }
    fits
}

/// What was checked to be small.
fn byte(n: u16) -> u8 {
    n.to_le_bytes()[0]
}
