//! The table of devices: a line for each.

use std::collections::HashMap;

use super::sheet::{Column, Sheet, cut};
use super::{Change, Listed, Refused};
use crate::ids::{DeviceId, Id, NameError};
use crate::time::Timestamp;

/// What stands in a field that shall be empty on the register.
const NOTHING: &str = "-";

/// The columns, each by its names in English and Chinese.
const COLUMNS: [Column; 6] = [
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
    sheet: Sheet<'a>,
    /// In which line each device was met.
    seen: HashMap<DeviceId, u64>,
}

impl<'a> Table<'a> {
    /// Reads the line of column names. Commas, semicolons and tabs separate; a byte order mark is taken off.
    ///
    /// # Errors
    /// When no line of the file could be understood: it is too long, not UTF-8, or its first line names no columns.
    pub fn open(file: &'a [u8]) -> Result<Self, Refused> {
        Ok(Self { sheet: Sheet::open(file, &COLUMNS, &["device"])?, seen: HashMap::new() })
    }

    /// What the file calls a column; the column's own name where the file has none such.
    #[must_use]
    pub fn called(&self, column: &str) -> String {
        self.sheet.called(column)
    }

    /// The line that was read last.
    fn listed(&mut self) -> Result<Listed, Refused> {
        let line = self.sheet.line();
        let device = match self.sheet.cell(DEVICE) {
            "" => Err(self.sheet.wrong(
                DEVICE,
                "no device is named".to_owned(),
                "say its name, as in its topics",
            )),
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
            return Err(self.sheet.wrong(DEVICE, message, "leave one of the two"));
        }
        self.seen.insert(listed.device.clone(), line);
        Ok(listed)
    }

    fn named<K>(&self, column: usize) -> Result<Option<Id<K>>, Refused> {
        let text = self.sheet.cell(column);
        if text.is_empty() { Ok(None) } else { self.name(column, text).map(Some) }
    }

    fn change<T>(
        &self,
        column: usize,
        read: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Result<Change<T>, Refused> {
        match self.sheet.cell(column) {
            "" => Ok(Change::Keep),
            NOTHING => Ok(Change::Clear),
            text => read(text).map(Change::Set),
        }
    }

    fn name<K>(&self, column: usize, text: &str) -> Result<Id<K>, Refused> {
        Id::new(text)
            .map_err(|error: NameError| self.sheet.wrong(column, error.to_string(), "as in \"ward-3\""))
    }

    fn moment(&self, text: &str) -> Result<Timestamp, Refused> {
        text.parse::<jiff::Timestamp>().map(|moment| Timestamp(moment.as_millisecond())).map_err(|_| {
            let message = format!("{:?} is no time with its offset", cut(text));
            self.sheet.wrong(COMMISSIONED, message, "as in 2026-11-21T08:00:00+08:00")
        })
    }
}

impl Iterator for Table<'_> {
    type Item = Result<Listed, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.sheet.advance()? {
            Ok(()) => Some(self.listed()),
            Err(refused) => Some(Err(refused)),
        }
    }
}
