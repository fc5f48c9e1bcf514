//! The places of the simulated hospital, what stands in them, and which device watches what: tables as a site has them.

use super::options::{Options, Sizes};
use super::world::{PARKING_ZONES, ZONES};

/// Since when every device hangs where it is.
const SINCE: &str = "2026-01-01T00:00:00+08:00";
/// Of the parking zones so many lie in the south.
const SOUTH: usize = 7;
/// Wards of the inpatient building.
const WARDS: usize = 10;

/// How the places of wheelchairs are called: kind, Chinese, English, fewest and best number of chairs.
const NAMES: [(&str, &str, &str, u32, u32); ZONES.len()] = [
    ("hall", "门诊大厅", "Outpatient hall", 8, 15),
    ("emergency", "急诊", "Emergency", 4, 8),
    ("hall", "住院大厅", "Inpatient lobby", 5, 10),
    ("entrance", "车库出口", "Garage exit", 2, 4),
    ("dropoff", "落客区", "Drop-off area", 3, 6),
    ("gate", "北门", "North gate", 2, 4),
    ("gate", "南门", "South gate", 2, 4),
    ("building", "外科楼", "Surgery tower", 3, 6),
    ("clinic", "影像科", "Imaging", 2, 4),
    ("lab", "检验科", "Laboratory", 2, 4),
    ("clinic", "体检中心", "Health check centre", 2, 4),
    ("clinic", "康复科", "Rehabilitation", 2, 4),
    ("clinic", "儿科", "Paediatrics", 2, 4),
    ("clinic", "血液透析", "Dialysis", 2, 4),
];

/// The tables, each with the name of its file.
#[must_use]
pub fn tables(options: &Options) -> Vec<(&'static str, String)> {
    let sizes = Sizes::at(options.scale);
    let mut bindings = Bindings("device,what,id,from\n".to_owned());
    vec![
        ("places.csv", places(&options.site)),
        ("parts.csv", "id,from,to\nday,07:00,18:00\nnight,18:00,07:00\n".to_owned()),
        ("pars.csv", pars()),
        ("spots.csv", spots(&sizes, &mut bindings)),
        ("items.csv", items(&sizes, &mut bindings)),
        ("bindings.csv", bindings.0),
    ]
}

/// The parking zone of a bay, a sign or a charger.
fn parking(number: usize) -> String {
    format!("parking-{:02}", number % PARKING_ZONES + 1)
}

fn places(site: &str) -> String {
    let mut text = "id,kind,in,zh,en,marks\n".to_owned();
    let mut row = |id: &str, kind: &str, within: &str, zh: &str, en: &str, marks: &str| {
        text.push_str(&format!("{id},{kind},{within},{zh},{en},{marks}\n"));
    };
    let site = format!("site-{site}");
    row(&site, "site", "", "仁和医院", "Renhe Hospital", "");
    row("south", "area", &site, "南区", "South", "");
    row("north", "area", &site, "北区", "North", "");
    row("inpatient", "building", "south", "住院楼", "Inpatient building", "");
    row("pharmacy", "pharmacy", "south", "药房", "Pharmacy", "");
    for (id, (kind, zh, en, ..)) in ZONES.iter().zip(NAMES) {
        let within =
            if matches!(*id, "north_gate" | "health_check" | "laboratory") { "north" } else { "south" };
        let marks = match kind {
            "gate" => "public exit",
            "building" => "",
            _ => "public",
        };
        row(id, kind, within, zh, en, marks);
    }
    for ward in 1..=WARDS {
        let (id, zh, en) = (format!("ward-{ward:02}"), format!("{ward} 病区"), format!("Ward {ward}"));
        row(&id, "ward", "inpatient", &zh, &en, "");
    }
    for zone in 0..PARKING_ZONES {
        let south = zone < SOUTH;
        let letter = char::from(b'A' + u8::try_from(zone).unwrap_or(0));
        let (zh, en) = (format!("停车 {letter} 区"), format!("Car park {letter}"));
        let marks = if south { "visitor" } else { "visitor night_closed" };
        row(&parking(zone), "parking", if south { "south" } else { "north" }, &zh, &en, marks);
    }
    text
}

fn pars() -> String {
    let mut text = "zone,class,part,min,target\n".to_owned();
    for (id, (.., min, target)) in ZONES.iter().zip(NAMES) {
        text.push_str(&format!("{id},wheelchair,day,{min},{target}\n"));
    }
    text
}

fn spots(sizes: &Sizes, bindings: &mut Bindings) -> String {
    let mut text = "id,kind,zone,zh,en,marks\n".to_owned();
    let mut row = |device: String, kind: &str, zone: &str, zh: String, en: String, marks: &str| {
        text.push_str(&format!("{device},{kind},{zone},{zh},{en},{marks}\n"));
        bindings.add(&device, "spot", &device);
    };
    for n in 0..sizes.bays {
        let marks = match n % 50 {
            0 => "accessible",
            1 => "age_friendly",
            2 => "ev",
            _ => "",
        };
        let number = n / PARKING_ZONES + 1;
        let letter = char::from(b'A' + u8::try_from(n % PARKING_ZONES).unwrap_or(0));
        let (zh, en) = (format!("{letter}{number:03} 车位"), format!("Bay {letter}{number:03}"));
        row(format!("bay-{:04}", n + 1), "bay", &parking(n), zh, en, marks);
    }
    for (n, zone) in ZONES.iter().enumerate().take(sizes.docks) {
        let (zh, en) = (format!("{}轮椅桩", NAMES[n].1), format!("{} wheelchair dock", NAMES[n].2));
        row(format!("dock-{:02}", n + 1), "dock", zone, zh, en, "");
    }
    for n in 0..sizes.monitors {
        let (zh, en) = (format!("{} 床", n + 1), format!("Bed {}", n + 1));
        row(format!("bed-{:04}", n + 1), "bed", &format!("ward-{:02}", n % WARDS + 1), zh, en, "");
    }
    for n in 0..sizes.cabinets {
        let (zh, en) = (format!("{} 号药柜", n + 1), format!("Drug cabinet {}", n + 1));
        row(format!("cab-{:02}", n + 1), "cabinet", &format!("ward-{:02}", n % WARDS + 1), zh, en, "");
    }
    for n in 0..sizes.fridges {
        let (zh, en) = (format!("{} 号冷藏柜", n + 1), format!("Fridge {}", n + 1));
        row(format!("fridge-{:02}", n + 1), "fridge", "pharmacy", zh, en, "");
    }
    for n in 0..sizes.chargers {
        let (zh, en) = (format!("{} 号充电桩", n + 1), format!("Charger {}", n + 1));
        row(format!("charger-{:02}", n + 1), "point", &parking(n), zh, en, "");
    }
    for n in 0..sizes.powerbanks {
        let (zh, en) = (format!("{} 号充电宝柜", n + 1), format!("Power-bank cabinet {}", n + 1));
        row(format!("pb-{:02}", n + 1), "point", ZONES[n % ZONES.len()], zh, en, "");
    }
    for n in 0..sizes.signs {
        bindings.add(&format!("sign-{:02}", n + 1), "place", &parking(n));
    }
    text
}

fn items(sizes: &Sizes, bindings: &mut Bindings) -> String {
    let mut text = "id,class,home,label\n".to_owned();
    for n in 0..sizes.wheelchairs {
        let device = format!("wc-{:03}", n + 1);
        text.push_str(&format!(
            "{device},wheelchair,{},{}\n",
            ZONES[n % sizes.docks.clamp(1, ZONES.len())],
            n + 1
        ));
        bindings.add(&device, "item", &device);
    }
    text
}

struct Bindings(String);

impl Bindings {
    fn add(&mut self, device: &str, what: &str, id: &str) {
        self.0.push_str(&format!("{device},{what},{id},{SINCE}\n"));
    }
}

#[cfg(test)]
mod tests {
    use orderly_core::registry::{File, Registry, Table, plan};

    use super::*;

    #[test]
    fn the_demo_hospital_fits_together_at_any_size() {
        for scale in [0.01, 0.1, 1.0] {
            let tables = tables(&Options { scale, ..Options::default() });
            let files: Vec<File<'_>> =
                tables.iter().map(|(name, text)| File { name, bytes: text.as_bytes() }).collect();
            let plan = plan(&Registry::default(), &files, true);
            assert_eq!(plan.report.refused, []);
            let mut registry = Registry::default();
            for change in &plan.changes {
                registry.apply(change).unwrap();
            }
            assert_eq!(registry.of(Table::Place).count(), 5 + ZONES.len() + WARDS + PARKING_ZONES);
            for (id, name) in registry.of(Table::Place).map(|row| {
                use orderly_core::registry::cell;
                (cell(row, "id"), (cell(row, "zh"), cell(row, "en")))
            }) {
                assert!(!name.0.is_empty() && name.1.is_ascii(), "{id}: {name:?}");
            }
        }
    }
}
