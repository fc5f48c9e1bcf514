//! A floor of twelve rooms with a reader in each, walls between them, fading, and people in the way; a tag that walks
//! from room to room and stays a while. What is true is known for every second.

use std::collections::BTreeMap;

use crate::assets::location::{Heard, Reader, ReaderKind};
use crate::ids::{DeviceId, ZoneId};
use crate::time::Timestamp;

/// Rooms are so wide and deep, in metres: 160 m2 for each reader (DOMAIN 5.4).
const WIDE: f64 = 14.0;
const DEEP: f64 = 11.5;
const COLUMNS: i64 = 4;
const ROWS: i64 = 3;
/// What a wall takes, in dB.
const WALL_DB: f64 = 6.0;
/// How fast a porter walks, in m/s.
const PACE: f64 = 1.1;

/// SplitMix64: repeatable chance.
pub struct Chance(pub u64);

impl Chance {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Power of a signal that comes by many ways, in dB around its mean.
    fn rayleigh(&mut self) -> f64 {
        (10.0 * (-self.unit().max(1e-6).ln()).log10()).clamp(-18.0, 6.0)
    }
}

pub fn zone(column: i64, row: i64) -> ZoneId {
    ZoneId::new(&format!("room-{column}{row}")).unwrap()
}

pub fn readers() -> Vec<Reader> {
    let rooms = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (column, row)));
    let reader = |(column, row): (i64, i64)| Reader {
        id: DeviceId::new(&format!("reader-{column}{row}")).unwrap(),
        zone: zone(column, row),
        floor: 1,
        offset_db: 0.0,
        kind: ReaderKind::Room,
    };
    rooms.map(reader).collect()
}

fn room_of(x: f64, y: f64) -> (i64, i64) {
    (((x / WIDE) as i64).clamp(0, COLUMNS - 1), ((y / DEEP) as i64).clamp(0, ROWS - 1))
}

/// What the readers hear of one tag in an hour, in order of time, and the room that it is in at each second.
pub fn hour(seed: u64) -> (Vec<Heard>, BTreeMap<i64, ZoneId>) {
    let mut chance = Chance(seed);
    let (mut x, mut y) = (WIDE * 0.4, DEEP * 0.6);
    let (mut to_x, mut to_y, mut stays) = (x, y, 60.0);
    let mut shadow = [0.0_f64; (COLUMNS * ROWS) as usize];
    let mut blocked_until = [0.0_f64; (COLUMNS * ROWS) as usize];
    let (mut heard, mut truth) = (Vec::new(), BTreeMap::new());
    let tag = DeviceId::new("tag-1").unwrap();
    let mut next_advert = 0.0;
    for tenth in 0..36_000_i64 {
        let t = tenth as f64 / 10.0;
        let (dx, dy) = (to_x - x, to_y - y);
        let way = dx.hypot(dy);
        let moving = way > 0.2;
        if moving {
            let step = (PACE * 0.1).min(way);
            x += dx / way * step;
            y += dy / way * step;
        } else if stays > 0.0 {
            stays -= 0.1;
        } else {
            // On to another place, most often in a room nearby; there it stays two to eight minutes.
            let (column, row) = room_of(x, y);
            let near = |from: i64, most: i64, chance: &mut Chance| {
                (from + (chance.unit() * 3.0) as i64 - 1).clamp(0, most - 1)
            };
            let (column, row) = (near(column, COLUMNS, &mut chance), near(row, ROWS, &mut chance));
            to_x = (column as f64 + 0.15 + 0.7 * chance.unit()) * WIDE;
            to_y = (row as f64 + 0.15 + 0.7 * chance.unit()) * DEEP;
            stays = 360.0f64.mul_add(chance.unit(), 120.0);
        }
        if tenth % 10 == 0 {
            let (column, row) = room_of(x, y);
            truth.insert(tenth / 10, zone(column, row));
        }
        if t < next_advert {
            continue;
        }
        // It sends once or twice a second when it moves, about every two seconds when it rests.
        next_advert = t + if moving { 0.5 + 0.4 * chance.unit() } else { 1.6 + 0.8 * chance.unit() };
        let (in_column, in_row) = room_of(x, y);
        for (number, reader) in readers().into_iter().enumerate() {
            let (column, row) = (number as i64 % COLUMNS, number as i64 / COLUMNS);
            let (rx, ry) = ((column as f64 + 0.5) * WIDE, (row as f64 + 0.5) * DEEP);
            let distance = (x - rx).hypot(y - ry).hypot(1.8).max(1.0);
            let walls = ((column - in_column).abs() + (row - in_row).abs()) as f64;
            shadow[number] = 0.97f64.mul_add(shadow[number], 0.75 * chance.normal());
            if t > blocked_until[number] && chance.unit() < 0.01 {
                blocked_until[number] = t + 12.0 * chance.unit();
            }
            let people = if t < blocked_until[number] { 9.0 } else { 0.0 };
            let fading = chance.rayleigh();
            let level = -48.0 - 24.0 * distance.log10() - WALL_DB * walls - people + shadow[number] + fading;
            let lost = chance.unit() < 0.15;
            if level > -95.0 && !lost {
                let at = Timestamp(tenth * 100 + number as i64);
                let rssi = level.round() as i16;
                heard.push(Heard { reader: reader.id, tag: tag.clone(), rssi, at, moving: Some(moving) });
            }
        }
    }
    (heard, truth)
}
