//! The table as people save it from a spreadsheet: a line of column names, then a line for each device.

use std::collections::HashMap;

use super::{Change, Listed, Refused};
use crate::diagnostic::nearest;
use crate::ids::{DeviceId, Id, NameError};
use crate::time::Timestamp;

/// The longest file that is read.
pub const MAX_BYTES: usize = 32 << 20;
/// The most lines: each device that was met is remembered to the end.
const MAX_LINES: usize = 200_000;
/// What stands in a field that shall be empty on the register.
const NOTHING: &str = "-";
/// How much of a column's name is shown.
const SHOWN: usize = 40;

/// The columns, each by its names in English and Chinese.
const COLUMNS: [(&str, &str); 6] = [
    ("device", "设备"),
    ("class", "类别"),
    ("profile", "型号"),
    ("zone", "位置"),
    ("firmware", "固件"),
    ("commissioned_at", "启用时间"),
];
const DEVICE: usize = 0;
const CLASS: usize = 1;
const PROFILE: usize = 2;
const ZONE: usize = 3;
const FIRMWARE: usize = 4;
const COMMISSIONED: usize = 5;

/// A table, read line by line. What is given out is a device each, or why the line cannot be understood.
#[derive(Debug)]
pub struct Table<'a> {
    text: &'a str,
    /// Up to which byte line ends were counted, and the line there.
    counted: (usize, u64),
    reader: csv::Reader<&'a [u8]>,
    header: csv::StringRecord,
    /// Where each column stands.
    places: [Option<usize>; COLUMNS.len()],
    /// In which line each device was met.
    seen: HashMap<DeviceId, u64>,
    row: csv::StringRecord,
}

impl<'a> Table<'a> {
    /// Reads the line of column names. Commas, semicolons and tabs separate; a byte order mark is taken off.
    ///
    /// # Errors
    /// When no line of the file could be understood: it is too long, not UTF-8, or its first line names no columns.
    pub fn open(file: &'a [u8]) -> Result<Self, Refused> {
        let whole = |line, message: String, hint: &str| Refused {
            line,
            column: String::new(),
            message,
            hint: hint.to_owned(),
        };
        if file.len() > MAX_BYTES {
            let message = format!("the file has {} bytes, and {MAX_BYTES} is the most", file.len());
            return Err(whole(1, message, "split it"));
        }
        let lines = file.iter().filter(|byte| **byte == b'\n').count();
        if lines > MAX_LINES {
            let message = format!("the file has {lines} lines, and {MAX_LINES} is the most");
            return Err(whole(1, message, "split it"));
        }
        let text = std::str::from_utf8(file).map_err(|error| {
            let line = file[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            whole(line, "the file is not UTF-8 here".to_owned(), "in a spreadsheet save it as \"CSV UTF-8\"")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
        let separator =
            [b';', b'\t'].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| whole(1, e.to_string(), ""))?.clone();
        let places = places(&header)?;
        let counted = (0, 1);
        Ok(Self {
            text,
            counted,
            reader,
            header,
            places,
            seen: HashMap::new(),
            row: csv::StringRecord::new(),
        })
    }

    /// What the file calls a column; the column's own name where the file has none such.
    #[must_use]
    pub fn called(&self, column: &str) -> String {
        let place = COLUMNS.iter().position(|(name, _)| *name == column).and_then(|n| self.places[n]);
        place.and_then(|place| self.header.get(place)).unwrap_or(column).to_owned()
    }

    /// The line that was read last.
    fn listed(&mut self) -> Result<Listed, Refused> {
        let line = self.counted.1;
        if self.row.len() > self.header.len() {
            let message = format!("it has {} fields, the first line {}", self.row.len(), self.header.len());
            let hint = "put a field that holds the separator into quotes".to_owned();
            return Err(Refused { line, column: String::new(), message, hint });
        }
        let device = match self.field(DEVICE) {
            "" => Err(self.wrong(DEVICE, "no device is named".to_owned(), "say its name, as in its topics")),
            name => self.name(DEVICE, name),
        }?;
        let listed = Listed {
            line,
            class: self.named(CLASS)?,
            profile: self.named(PROFILE)?,
            zone: self.change(ZONE, |text| self.name(ZONE, text))?,
            firmware: self.change(FIRMWARE, |text| self.name(FIRMWARE, text))?,
            commissioned_at: self.change(COMMISSIONED, |text| self.moment(text))?,
            device,
        };
        if let Some(earlier) = self.seen.get(&listed.device) {
            let message = format!("{:?} stands in line {earlier} already", listed.device);
            return Err(self.wrong(DEVICE, message, "leave one of the two"));
        }
        self.seen.insert(listed.device.clone(), line);
        Ok(listed)
    }

    /// Goes on to the line in which a row begins. The reader counts the row from the end of the one before it on, empty
    /// lines included.
    fn go_to(&mut self, row: Option<&csv::Position>) {
        let bytes = self.text.as_bytes();
        let from = row.and_then(|row| usize::try_from(row.byte()).ok()).unwrap_or(0);
        let (mut at, mut line) = self.counted;
        while let Some(byte) = bytes.get(at).filter(|byte| at < from || b"\r\n".contains(byte)) {
            line += u64::from(*byte == b'\n');
            at += 1;
        }
        self.counted = (at, line);
    }

    fn field(&self, column: usize) -> &str {
        self.places[column].and_then(|place| self.row.get(place)).unwrap_or("")
    }

    fn named<K>(&self, column: usize) -> Result<Option<Id<K>>, Refused> {
        let text = self.field(column);
        if text.is_empty() { Ok(None) } else { self.name(column, text).map(Some) }
    }

    fn change<T>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Result<Change<T>, Refused> {
        match self.field(column) {
            "" => Ok(Change::Keep),
            NOTHING => Ok(Change::Clear),
            text => read(text).map(Change::Set),
        }
    }

    fn name<K>(&self, column: usize, text: &str) -> Result<Id<K>, Refused> {
        Id::new(text).map_err(|error: NameError| self.wrong(column, error.to_string(), "as in \"ward-3\""))
    }

    fn moment(&self, text: &str) -> Result<Timestamp, Refused> {
        text.parse::<jiff::Timestamp>().map(|moment| Timestamp(moment.as_millisecond())).map_err(|_| {
            let message = format!("{:?} is no time with its offset", cut(text));
            self.wrong(COMMISSIONED, message, "as in 2026-11-21T08:00:00+08:00")
        })
    }

    fn wrong(&self, column: usize, message: String, hint: &str) -> Refused {
        let column = self.called(COLUMNS[column].0);
        Refused { line: self.counted.1, column, message, hint: hint.to_owned() }
    }
}

impl Iterator for Table<'_> {
    type Item = Result<Listed, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read_record(&mut self.row) {
                Ok(false) => return None,
                Ok(true) if self.row.iter().all(str::is_empty) => {}
                Ok(true) => {
                    let begin = self.row.position().cloned();
                    self.go_to(begin.as_ref());
                    return Some(self.listed());
                }
                Err(error) => {
                    self.go_to(error.position());
                    let (line, message) = (self.counted.1, error.to_string());
                    return Some(Err(Refused { line, message, ..Refused::default() }));
                }
            }
        }
    }
}

/// Where each column stands.
fn places(header: &csv::StringRecord) -> Result<[Option<usize>; COLUMNS.len()], Refused> {
    let mut places = [None; COLUMNS.len()];
    let names = || COLUMNS.iter().flat_map(|(en, zh)| [*en, *zh]);
    let wrong = |column: &str, message: &str, hint: String| Refused {
        line: 1,
        column: cut(column),
        message: message.to_owned(),
        hint,
    };
    for (place, name) in header.iter().enumerate() {
        let lower = name.to_lowercase();
        let Some(column) = COLUMNS.iter().position(|(en, zh)| lower == *en || name == *zh) else {
            // Words of the other script are never near: nearness counts bytes.
            let likely = names().filter(|known| known.is_ascii() == name.is_ascii());
            let hint = match nearest(&lower, likely) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(wrong(name, "no such column is known", hint));
        };
        if places[column].replace(place).is_some() {
            return Err(wrong(name, "the column stands twice", "leave one of the two".to_owned()));
        }
    }
    if places[DEVICE].is_none() {
        let hint = "begin the file with a line as device,class,profile,zone,firmware".to_owned();
        return Err(wrong("", "the first line must name the columns, device among them", hint));
    }
    Ok(places)
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
