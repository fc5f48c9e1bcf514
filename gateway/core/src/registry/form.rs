//! How rows stand in files: the columns of each table, and a line of cells as a row and back.

use super::row::{Binding, DayPart, Item, Par, Place, Row, Shift, Spot, Subject, Way};
use super::words::{
    BAY_MARKS, BED_MARKS, PLACE_MARKS, PLACES, SPOTS, SUBJECTS, SpotKind, Table, WAYS, WayKind, Words,
};
use crate::diagnostic::nearest;
use crate::ids::Id;
use crate::inventory::Refused;
use crate::inventory::sheet::{Column, cut};
use crate::time::Timestamp;

/// The longest name for people, in bytes.
const MAX_TEXT: usize = 200;
/// Minutes of a day.
const DAY: u16 = 1440;

/// What a file, or a part of it, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How a file of it is called, without its ending.
    pub file: &'static str,
    /// How one row is headed in TOML.
    pub heading: &'static str,
    /// The table of its rows.
    pub table: Table,
    /// The only kind of spot that it holds.
    pub kind: Option<SpotKind>,
}

/// Every form.
pub const FORMS: [Form; 15] = [
    form("places", "place", Table::Place, None),
    form("ways", "way", Table::Way, None),
    form("parts", "part", Table::DayPart, None),
    form("pars", "par", Table::Par, None),
    form("spots", "spot", Table::Spot, None),
    form("bays", "bay", Table::Spot, Some(SpotKind::Bay)),
    form("docks", "dock", Table::Spot, Some(SpotKind::Dock)),
    form("cabinets", "cabinet", Table::Spot, Some(SpotKind::Cabinet)),
    form("slots", "slot", Table::Spot, Some(SpotKind::Slot)),
    form("beds", "bed", Table::Spot, Some(SpotKind::Bed)),
    form("fridges", "fridge", Table::Spot, Some(SpotKind::Fridge)),
    form("points", "point", Table::Spot, Some(SpotKind::Point)),
    form("items", "item", Table::Item, None),
    form("bindings", "binding", Table::Binding, None),
    form("shifts", "shift", Table::Shift, None),
];

const fn form(file: &'static str, heading: &'static str, table: Table, kind: Option<SpotKind>) -> Form {
    Form { file, heading, table, kind }
}

const PLACE: &[Column] = &[
    ("id", "编号"),
    ("kind", "种类"),
    ("in", "所属"),
    ("zh", "中文名"),
    ("en", "英文名"),
    ("level", "楼层"),
    ("capacity", "容量"),
    ("marks", "标记"),
];
const WAY: &[Column] = &[("from", "起点"), ("to", "终点"), ("kind", "种类"), ("metres", "米")];
const PART: &[Column] = &[("id", "编号"), ("from", "开始"), ("to", "结束")];
const PAR: &[Column] = &[
    ("zone", "位置"),
    ("class", "类别"),
    ("part", "时段"),
    ("min", "下限"),
    ("target", "目标"),
    ("max", "上限"),
];
const SPOT: &[Column] = &[
    ("id", "编号"),
    ("kind", "种类"),
    ("zone", "位置"),
    ("in", "所属"),
    ("zh", "中文名"),
    ("en", "英文名"),
    ("capacity", "容量"),
    ("marks", "标记"),
    ("link", "链接"),
];
const ITEM: &[Column] = &[("id", "编号"), ("class", "类别"), ("home", "归属"), ("label", "标签")];
const BINDING: &[Column] =
    &[("device", "设备"), ("what", "对象"), ("id", "编号"), ("from", "开始"), ("until", "结束")];
const SHIFT: &[Column] =
    &[("team", "班组"), ("shift", "班次"), ("from", "开始"), ("until", "结束"), ("actor", "人员")];

impl Form {
    /// The form of a file: `bays.csv` and `bays-north.csv` hold bays. The hint names one that was perhaps meant.
    ///
    /// # Errors
    /// When no form is called so.
    pub fn of_file(name: &str) -> Result<Self, Refused> {
        let stem = name.rsplit('/').next().unwrap_or(name);
        let stem = stem.split(['.', '-']).next().unwrap_or(stem);
        FORMS.into_iter().find(|form| form.file == stem).ok_or_else(|| {
            let known = FORMS.iter().map(|form| form.file);
            let hint = match nearest(stem, known.clone()) {
                Some(near) => format!("did you mean {near}.csv?"),
                None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("no table is called {:?}", cut(stem));
            Refused { line: 1, column: String::new(), message, hint }
        })
    }

    /// Its columns.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self.table {
            Table::Place => PLACE,
            Table::Way => WAY,
            Table::DayPart => PART,
            Table::Par => PAR,
            Table::Spot => SPOT,
            Table::Item => ITEM,
            Table::Binding => BINDING,
            Table::Shift => SHIFT,
        }
    }

    /// The columns without which no line can be read.
    #[must_use]
    pub const fn needed(self) -> &'static [&'static str] {
        match (self.table, self.kind) {
            (Table::Place, _) | (Table::Spot, None) => &["id", "kind"],
            (Table::Spot, Some(_)) | (Table::Item, _) => &["id"],
            (Table::Way, _) => &["from", "to"],
            (Table::DayPart, _) => &["id", "from", "to"],
            (Table::Par, _) => &["zone", "class", "min"],
            (Table::Binding, _) => &["device", "what", "id", "from"],
            (Table::Shift, _) => &["team", "shift", "from", "until", "actor"],
        }
    }

    /// Whether this row stands in a file of this form.
    #[must_use]
    pub fn holds(self, row: &Row) -> bool {
        let kind = match row {
            Row::Spot(spot) => Some(spot.kind),
            _ => None,
        };
        row.table() == self.table && self.kind.is_none_or(|own| Some(own) == kind)
    }

    /// Reads a line of cells.
    ///
    /// # Errors
    /// The first thing that is wrong in it.
    pub fn read(self, cells: &dyn Cells) -> Result<Row, Refused> {
        let line = Line { form: self, cells };
        Ok(match self.table {
            Table::Place => Row::Place(Place {
                id: line.id("id")?,
                kind: line.word("kind", PLACES, None)?,
                within: line.maybe("in")?,
                zh: line.text("zh")?,
                en: line.text("en")?,
                level: line.number("level")?,
                capacity: line.number("capacity")?,
                marks: line.marks(&PLACE_MARKS)?,
            }),
            Table::Way => Row::Way(Way {
                from: line.id("from")?,
                to: line.id("to")?,
                kind: line.word("kind", WAYS, Some(WayKind::Door))?,
                metres: line.number("metres")?,
            }),
            Table::DayPart => Row::DayPart(DayPart {
                id: line.id("id")?,
                from: line.minute("from")?,
                to: line.minute("to")?,
            }),
            Table::Par => {
                let min = line.count("min")?;
                Row::Par(Par {
                    zone: line.id("zone")?,
                    class: line.id("class")?,
                    part: line.maybe("part")?,
                    min,
                    target: line.number("target")?.unwrap_or(min),
                    max: line.number("max")?,
                })
            }
            Table::Spot => {
                let kind = line.word("kind", SPOTS, self.kind)?;
                if self.kind.is_some_and(|own| own != kind) {
                    let message = format!("this is a list of {}", self.file);
                    return Err(line.wrong("kind", message, "leave it out, or put the line into spots"));
                }
                let marks: &[&str] = match kind {
                    SpotKind::Bay => &BAY_MARKS,
                    SpotKind::Bed => &BED_MARKS,
                    _ => &[],
                };
                Row::Spot(Spot {
                    id: line.id("id")?,
                    kind,
                    zone: line.maybe("zone")?,
                    within: line.maybe("in")?,
                    zh: line.text("zh")?,
                    en: line.text("en")?,
                    capacity: line.number("capacity")?,
                    marks: line.marks(marks)?,
                    link: line.text("link")?,
                })
            }
            Table::Item => Row::Item(Item {
                id: line.id("id")?,
                class: line.id("class")?,
                home: line.maybe("home")?,
                label: line.text("label")?,
            }),
            Table::Binding => Row::Binding(Binding {
                device: line.id("device")?,
                subject: match line.word("what", SUBJECTS, None)? {
                    Table::Place => Subject::Place(line.id("id")?),
                    Table::Spot => Subject::Spot(line.id("id")?),
                    _ => Subject::Item(line.id("id")?),
                },
                from: line.moment("from")?,
                until: if line.cell("until").is_empty() { None } else { Some(line.moment("until")?) },
            }),
            Table::Shift => Row::Shift(Shift {
                team: line.id("team")?,
                shift: line.id("shift")?,
                from: line.moment("from")?,
                until: line.moment("until")?,
                actor: line.id("actor")?,
            }),
        })
    }
}

/// The cells of a line.
pub trait Cells {
    /// What stands in a column.
    fn cell(&self, column: usize) -> &str;
    /// Something is wrong in a column.
    fn wrong(&self, column: usize, message: String, hint: &str) -> Refused;
}

impl Cells for crate::inventory::sheet::Sheet<'_> {
    fn cell(&self, column: usize) -> &str {
        Self::cell(self, column)
    }

    fn wrong(&self, column: usize, message: String, hint: &str) -> Refused {
        Self::wrong(self, column, message, hint)
    }
}

struct Line<'c> {
    form: Form,
    cells: &'c dyn Cells,
}

impl Line<'_> {
    fn column(&self, name: &str) -> usize {
        self.form.columns().iter().position(|(known, _)| *known == name).unwrap_or(usize::MAX)
    }

    fn cell(&self, name: &str) -> &str {
        self.cells.cell(self.column(name))
    }

    fn wrong(&self, name: &str, message: String, hint: &str) -> Refused {
        self.cells.wrong(self.column(name), message, hint)
    }

    fn id<K>(&self, name: &str) -> Result<Id<K>, Refused> {
        let hint = "a name has letters, digits and . _ : - only, as in ward-3";
        Id::new(self.cell(name)).map_err(|error| self.wrong(name, error.to_string(), hint))
    }

    fn maybe<K>(&self, name: &str) -> Result<Option<Id<K>>, Refused> {
        if self.cell(name).is_empty() { Ok(None) } else { self.id(name).map(Some) }
    }

    fn text(&self, name: &str) -> Result<String, Refused> {
        let text = self.cell(name);
        if text.len() > MAX_TEXT {
            return Err(self.wrong(name, format!("it has more than {MAX_TEXT} bytes"), "shorten it"));
        }
        if text.chars().any(char::is_control) {
            return Err(self.wrong(name, "it holds a control character".to_owned(), "write it in one line"));
        }
        Ok(text.to_owned())
    }

    fn word<T: Copy>(&self, name: &str, words: Words<T>, otherwise: Option<T>) -> Result<T, Refused> {
        let cell = self.cell(name);
        if let (true, Some(otherwise)) = (cell.is_empty(), otherwise) {
            return Ok(otherwise);
        }
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(cell));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known = words.iter().map(|(word, _)| *word);
            let message = format!("{:?} is no {name} that is known", cut(cell));
            self.wrong(name, message, &meant(cell, known))
        })
    }

    fn marks(&self, known: &[&str]) -> Result<Vec<String>, Refused> {
        let said: Vec<&str> = self
            .cell("marks")
            .split([' ', ',', ';', '|', '、', '，'])
            .filter(|mark| !mark.is_empty())
            .collect();
        if let Some(unknown) = said.iter().find(|mark| !known.contains(mark)) {
            let message = format!("{:?} is no mark of such a thing", cut(unknown));
            return Err(self.wrong("marks", message, &meant(unknown, known.iter().copied())));
        }
        Ok(known.iter().filter(|mark| said.contains(mark)).map(ToString::to_string).collect())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refused> {
        match self.cell(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let message = format!("{:?} is no number that can stand here", cut(text));
                self.wrong(name, message, "a whole number, as in 12")
            }),
        }
    }

    fn count(&self, name: &str) -> Result<u32, Refused> {
        let missing = || self.wrong(name, "it is empty".to_owned(), "a whole number, as in 12");
        self.number(name)?.ok_or_else(missing)
    }

    /// A time of day, in minutes; 24:00 is the end of the day.
    fn minute(&self, name: &str) -> Result<u16, Refused> {
        let text = self.cell(name);
        let minute = text.split_once(':').and_then(|(hours, minutes)| {
            let two = |text: &str| (1..=2).contains(&text.len()).then(|| text.parse::<u16>().ok()).flatten();
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            (hours <= 24 && minutes < 60).then_some(hours * 60 + minutes)
        });
        minute
            .filter(|minute| *minute <= DAY)
            .ok_or_else(|| self.wrong(name, format!("{:?} is no time of day", cut(text)), "as in 07:00"))
    }

    fn moment(&self, name: &str) -> Result<Timestamp, Refused> {
        let text = self.cell(name);
        let moment = text.parse::<jiff::Timestamp>().map(|moment| Timestamp(moment.as_millisecond()));
        moment.map_err(|_| {
            let message = format!("{:?} is no time with its offset", cut(text));
            self.wrong(name, message, "as in 2026-11-21T08:00:00+08:00")
        })
    }
}

fn meant<'w>(said: &str, known: impl Iterator<Item = &'w str> + Clone) -> String {
    match nearest(said, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let all: Vec<&str> = known.collect();
            if all.is_empty() { "it has none".to_owned() } else { format!("known are {}", all.join(", ")) }
        }
    }
}
