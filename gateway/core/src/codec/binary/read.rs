//! Reads a payload by its layout.

use super::bits::{BitReader, Endian};
use super::{Case, Condition, Kind, Layout, Part, Size, Times, Unknown};
use crate::codec::document::{CodecError, Document};
use crate::codec::float::half;

/// Parts that are read of one payload, repeats counted, so that no description can make a payload endless.
const MOST_PARTS: usize = 20_000;

/// Writes a payload as an object of its named fields. `port` is the LoRaWAN port, where there is one.
///
/// # Errors
/// When the payload is shorter than its layout, or a field holds what it cannot hold.
pub fn read(layout: &Layout, payload: &[u8], port: Option<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut document = Document::new(out);
    let mut reading = Reading { bits: BitReader::new(payload), port, known: Vec::new(), parts: 0 };
    document.begin_object();
    reading.parts(&layout.parts, &mut document)?;
    document.end_object();
    document.check()
}

struct Reading<'p, 'l> {
    bits: BitReader<'p>,
    port: Option<u8>,
    /// Whole numbers read so far, the latest of a name last.
    known: Vec<(&'l str, i128)>,
    parts: usize,
}

impl<'l> Reading<'_, 'l> {
    fn parts(&mut self, parts: &'l [Part], document: &mut Document<'_>) -> Result<(), CodecError> {
        parts.iter().try_for_each(|part| self.part(part, document))
    }

    fn part(&mut self, part: &'l Part, document: &mut Document<'_>) -> Result<(), CodecError> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(CodecError::at(self.bits.byte(), format!("more than {MOST_PARTS} parts")));
        }
        if !part.when.as_ref().is_none_or(|when| self.holds(when)) {
            return Ok(());
        }
        if let Some(at) = part.at {
            self.bits.go_to(at);
        }
        if part.optional && self.bits.is_at_end() {
            return Ok(());
        }
        let result = self.kind(part, document);
        result.map_err(|error| match &part.name {
            Some(name) if !error.what.starts_with("field ") => {
                CodecError { what: format!("field {name:?}: {}", error.what), ..error }
            }
            _ => error,
        })
    }

    fn kind(&mut self, part: &'l Part, document: &mut Document<'_>) -> Result<(), CodecError> {
        let shown = part.name.as_deref().filter(|_| !part.hidden);
        match &part.kind {
            Kind::Whole { bits, signed, endian } => {
                let number = self.whole(*bits, *signed, *endian)?;
                if let Some(name) = &part.name {
                    self.known.push((name, number));
                }
                if let Some(name) = shown {
                    document.key(name);
                    document.whole(number);
                }
            }
            Kind::Float { bits, endian } => {
                self.bits.align();
                let word = self.bits.bits(*bits, *endian)?;
                if let Some(name) = shown {
                    document.key(name);
                    float(*bits, word, document);
                }
            }
            Kind::Bcd { bytes, endian } => {
                let at = self.bits.byte();
                let digits = decimal_digits(self.bits.take(*bytes)?, *endian)
                    .ok_or_else(|| CodecError::at(at, "these are not decimal digits, two in a byte"))?;
                if let Some(name) = &part.name {
                    self.known.push((name, digits));
                }
                if let Some(name) = shown {
                    document.key(name);
                    document.whole(digits);
                }
            }
            Kind::Text { bytes } => {
                let at = self.bits.byte();
                let size = self.size(bytes)?;
                let bytes = self.bits.take(size)?;
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let text = std::str::from_utf8(&bytes[..end])
                    .map_err(|error| CodecError::at(at + error.valid_up_to(), "this is no text in UTF-8"))?;
                if let Some(name) = shown {
                    document.key(name);
                    document.text(text);
                }
            }
            Kind::Bytes { bytes } => {
                let size = self.size(bytes)?;
                let bytes = self.bits.take(size)?;
                if let Some(name) = shown {
                    document.key(name);
                    document.bytes(bytes);
                }
            }
            Kind::Group { times, parts } => self.group(shown, times, parts, document)?,
            Kind::Tagged { bits, endian, cases, unknown } => {
                self.tagged(*bits, *endian, cases, *unknown, document)?;
            }
        }
        Ok(())
    }

    fn whole(&mut self, bits: u32, signed: bool, endian: Endian) -> Result<i128, CodecError> {
        let number = self.bits.bits(bits, endian)?;
        let negative = signed && bits > 0 && number >> (bits - 1) & 1 == 1;
        Ok(i128::from(number) - if negative { 1 << bits } else { 0 })
    }

    fn group(
        &mut self,
        name: Option<&str>,
        times: &Times,
        parts: &'l [Part],
        document: &mut Document<'_>,
    ) -> Result<(), CodecError> {
        let Some(name) = name else {
            return Err(CodecError::at(self.bits.byte(), "a group without a name cannot be shown"));
        };
        document.key(name);
        document.begin_list();
        let count = match times {
            Times::Fixed(count) => Some(*count),
            Times::Field(field) => Some(self.count(field)?),
            Times::Rest => None,
        };
        let mut done = 0;
        while count.map_or(self.bits.bytes_left() > 0, |count| done < count) {
            let before = (self.bits.byte(), self.known.len());
            document.begin_object();
            self.parts(parts, document)?;
            document.end_object();
            document.check()?;
            if count.is_none() && self.bits.byte() == before.0 {
                return Err(CodecError::at(before.0, "a group that repeats to the end takes no bytes"));
            }
            // What an item holds is not known to the next one.
            self.known.truncate(before.1);
            done += 1;
        }
        document.end_list();
        Ok(())
    }

    fn tagged(
        &mut self,
        bits: u32,
        endian: Endian,
        cases: &'l [Case],
        unknown: Unknown,
        document: &mut Document<'_>,
    ) -> Result<(), CodecError> {
        while self.bits.bytes_left() > 0 {
            let at = self.bits.byte();
            let tag = self.whole(bits, false, endian)?;
            match (cases.iter().find(|case| case.tags.contains(&tag)), unknown) {
                (Some(case), _) => self.parts(&case.parts, document)?,
                (None, Unknown::Stop) => return Ok(()),
                (None, Unknown::Refuse) => {
                    return Err(CodecError::at(at, format!("no case is given for the tag {tag:#x}")));
                }
            }
        }
        Ok(())
    }

    fn size(&self, size: &Size) -> Result<usize, CodecError> {
        match size {
            Size::Fixed(bytes) => Ok(*bytes),
            Size::Field(field) => self.count(field),
            Size::Rest => Ok(self.bits.bytes_left()),
        }
    }

    fn count(&self, field: &str) -> Result<usize, CodecError> {
        self.number(field)
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| CodecError::at(self.bits.byte(), format!("the field {field:?} says no count")))
    }

    fn number(&self, field: &str) -> Option<i128> {
        self.known.iter().rev().find(|(name, _)| *name == field).map(|(_, number)| *number)
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Bit { field, bit, set } => {
                self.number(field).is_some_and(|number| (number >> bit & 1 == 1) == *set)
            }
            Condition::Is { field, values } => {
                self.number(field).is_some_and(|number| values.contains(&number))
            }
            Condition::Port(ports) => self.port.is_some_and(|port| ports.contains(&i128::from(port))),
        }
    }
}

fn float(bits: u32, word: u64, document: &mut Document<'_>) {
    match (bits, u32::try_from(word), u16::try_from(word)) {
        (16, _, Ok(word)) => document.float(half(word)),
        (32, Ok(word), _) => document.float32(f32::from_bits(word)),
        _ => document.float(f64::from_bits(word)),
    }
}

fn decimal_digits(bytes: &[u8], endian: Endian) -> Option<i128> {
    let add = |sum: i128, byte: &u8| {
        let (high, low) = (byte >> 4, byte & 0x0f);
        (high < 10 && low < 10).then(|| sum * 100 + i128::from(high * 10 + low))
    };
    match endian {
        Endian::Big => bytes.iter().try_fold(0, add),
        Endian::Little => bytes.iter().rev().try_fold(0, add),
    }
}
