//! The list of readers: a line for each.

use std::collections::HashMap;

use super::{Reader, ReaderKind};
use crate::ids::DeviceId;
use crate::inventory::Refused;
use crate::inventory::sheet::{Column, Sheet, cut};

/// The columns, each by its names in English and Chinese.
const COLUMNS: [Column; 5] =
    [("reader", "读卡器"), ("zone", "区域"), ("floor", "楼层"), ("kind", "种类"), ("offset_db", "校准")];
const READER: usize = 0;
const ZONE: usize = 1;
const FLOOR: usize = 2;
const KIND: usize = 3;
const OFFSET: usize = 4;
/// What can stand in the column of kinds.
const KINDS: [(&str, ReaderKind); 3] =
    [("room", ReaderKind::Room), ("passage", ReaderKind::Passage), ("exit", ReaderKind::Exit)];
/// A calibration offset beyond this is a mistake, in dB.
const MOST_DB: f64 = 40.0;

/// Reads the list of readers as people save it from a spreadsheet. What cannot be used is told line by line, and the rest
/// counts.
///
/// # Errors
/// When no line of the file could be understood.
pub fn read(file: &[u8]) -> Result<(Vec<Reader>, Vec<Refused>), Refused> {
    let mut sheet = Sheet::open(file, &COLUMNS, &["reader", "zone"])?;
    let (mut readers, mut refused) = (Vec::new(), Vec::new());
    let mut seen: HashMap<DeviceId, u64> = HashMap::new();
    while let Some(line) = sheet.advance() {
        match line.and_then(|()| one(&sheet)) {
            Ok(reader) => match seen.get(&reader.id) {
                Some(earlier) => {
                    let message = format!("{:?} stands in line {earlier} already", reader.id);
                    refused.push(sheet.wrong(READER, message, "leave one of the two"));
                }
                None => {
                    seen.insert(reader.id.clone(), sheet.line());
                    readers.push(reader);
                }
            },
            Err(why) => refused.push(why),
        }
    }
    Ok((readers, refused))
}

fn one(sheet: &Sheet<'_>) -> Result<Reader, Refused> {
    let name = |column, text: &str| {
        let hint = "letters, digits and . _ : - as in \"ward-3\"";
        text.parse().map_err(|error: crate::ids::NameError| sheet.wrong(column, error.to_string(), hint))
    };
    let floor = match sheet.cell(FLOOR) {
        "" => 0,
        text => text.parse().map_err(|_| {
            sheet.wrong(FLOOR, format!("{:?} is no floor", cut(text)), "a whole number, as in -1 or 3")
        })?,
    };
    let kind = match sheet.cell(KIND) {
        "" => ReaderKind::Room,
        text => KINDS.iter().find(|(word, _)| *word == text).map(|(_, kind)| *kind).ok_or_else(|| {
            sheet.wrong(KIND, format!("{:?} is no kind of reader", cut(text)), "room, passage or exit")
        })?,
    };
    let offset_db = match sheet.cell(OFFSET) {
        "" => 0.0,
        text => text.parse().ok().filter(|db: &f64| db.abs() <= MOST_DB).ok_or_else(|| {
            sheet.wrong(OFFSET, format!("{:?} is no offset", cut(text)), "a number of dB from -40 to 40")
        })?,
    };
    let zone = sheet.cell(ZONE).parse().map_err(|error: crate::ids::NameError| {
        sheet.wrong(ZONE, error.to_string(), "the zone that it stands in")
    })?;
    Ok(Reader { id: name(READER, sheet.cell(READER))?, zone, floor, offset_db, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_count_and_bad_ones_are_told() {
        let file = "读卡器;区域;楼层;种类;校准\nr-1;hall;1;;\nr-2;lift;-1;passage;-3.5\nr-3;ward;three;;\nr-4;ward;;window;\nr-5;ward;;;99\nr-1;ward;2;;\n;ward;;;\n";
        let (readers, refused) = read(file.as_bytes()).unwrap();
        assert_eq!(readers.len(), 2);
        assert_eq!(readers[1].zone.as_str(), "lift");
        assert_eq!(
            (readers[1].floor, readers[1].offset_db, readers[1].kind),
            (-1, -3.5, ReaderKind::Passage)
        );
        let told: Vec<String> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 5, "{told:#?}");
        assert_eq!(told[0], "line 4: column 楼层: \"three\" is no floor; a whole number, as in -1 or 3");
        assert!(told[1].contains("room, passage or exit") && told[2].starts_with("line 6: column 校准"));
        assert!(told[3].contains("stands in line 2 already") && told[4].starts_with("line 8"));
        let none = read(b"reader,floor\n").unwrap_err().to_string();
        assert!(none.contains("zone"), "{none}");
    }
}
