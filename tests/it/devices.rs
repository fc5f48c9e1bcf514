//! docs/devices.md: which things of a hospital the shipped profiles read, written from the profiles themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orderly_core::profile::Profile;

/// One kind of thing that a hospital wants connected.
struct Row {
    number: u8,
    en: &'static str,
    zh: &'static str,
    classes: &'static [&'static str],
    /// Metrics without which the class does not serve this row.
    needs: &'static [&'static str],
    /// Why there is no device, where there is none by nature.
    none: &'static str,
}

const fn row(number: u8, en: &'static str, zh: &'static str, classes: &'static [&'static str]) -> Row {
    Row { number, en, zh, classes, needs: &[], none: "" }
}

const fn with(row: Row, needs: &'static [&'static str]) -> Row {
    Row { needs, ..row }
}

const fn without(row: Row, none: &'static str) -> Row {
    Row { none, ..row }
}

/// The 46 rows, in the order and with the numbers of the handbook that this project is measured by.
static ROWS: [Row; 46] = [
    row(1, "Blood pressure meter at home", "家庭血压计", &["bp_meter"]),
    row(2, "Glucose meter", "血糖仪", &["glucose_meter"]),
    row(3, "Continuous glucose sensor", "动态血糖仪", &["cgm"]),
    row(4, "Scale, thermometer, oximeter", "体重秤/体温计/血氧仪", &["scale", "thermometer", "oximeter"]),
    with(row(5, "Bedside monitor", "床旁监护仪", &["bedside_monitor"]), &["on_o2", "acvpu"]),
    row(6, "Infusion pump, drip monitor", "输液泵/输液监测", &["infusion_pump", "drip_monitor"]),
    row(7, "Bed exit and occupancy pad", "离床监测垫", &["bed_sensor"]),
    row(8, "Nurse call", "护士呼叫", &["nurse_call"]),
    row(9, "Bedside terminal and settlement", "床旁结算终端", &["bedside_terminal"]),
    row(10, "Beds of the whole hospital", "床位统筹", &["bed"]),
    row(11, "Shared wheelchair", "共享轮椅", &["wheelchair", "wheelchair_dock"]),
    with(row(12, "Stretcher, trolley", "平车", &["stretcher"]), &["clean"]),
    row(13, "Escort's folding bed", "陪护床", &["escort_bed"]),
    row(14, "Power bank cabinet", "共享充电宝", &["powerbank_cabinet"]),
    row(15, "Transfer cart and shuttle", "转运车/接驳车", &["cart", "shuttle"]),
    row(16, "Ambulance", "救护车", &["ambulance"]),
    row(17, "AED", "自动体外除颤器", &["aed"]),
    row(18, "Bay sensor", "车位检测器", &["parking_sensor"]),
    row(19, "Zone counter, gate", "分区计数/道闸", &["zone_counter", "gate"]),
    with(row(20, "Night zone", "夜间分区", &["zone"]), &["policy", "vehicles", "overnight"]),
    row(21, "Drop-off bay", "即停即走", &["dropoff_bay"]),
    with(row(22, "Tidal bays", "潮汐车位", &["zone"]), &["policy", "demand"]),
    with(row(23, "Accessible bay", "无障碍车位", &["parking_sensor"]), &["permit"]),
    with(row(24, "Age-friendly bay", "适老化车位", &["parking_sensor"]), &["permit"]),
    with(row(25, "Bay with help to walk in", "无障碍助力车位", &["parking_sensor"]), &["help"]),
    with(row(26, "Reserved and standby bay", "固定车位/后备车位", &["parking_sensor"]), &["released"]),
    row(27, "Charging pile", "充电桩", &["charger"]),
    row(28, "Guidance sign", "诱导屏", &["guidance_sign"]),
    without(row(29, "Pay code posts", "停车码", &[]), "a printed code, an attribute of the bay"),
    row(30, "Smart drug cabinet", "智能药柜", &["drug_cabinet"]),
    with(row(31, "Mobile pick-up terminal", "移动取药终端", &["drug_cabinet"]), &["battery", "zone"]),
    row(32, "Robot dispenser", "库发一体发药机", &["robot_dispenser"]),
    row(
        33,
        "Odd-pack dispenser, pill counter, check-in",
        "异型药品调配机/计数机/签到机",
        &["dispenser_aux", "pill_counter", "checkin_kiosk"],
    ),
    row(34, "Narcotics cabinet", "麻醉药品管理柜", &["narcotics_cabinet"]),
    row(35, "Drug fridge, cool room", "药品冷藏柜/阴凉库", &["cold_store"]),
    row(36, "Vending machine", "自助售货机", &["vending"]),
    row(37, "Self-service kiosk", "自助机", &["kiosk"]),
    row(38, "Film printer", "胶片机", &["film_printer"]),
    row(39, "Report printer", "报告打印机", &["report_printer"]),
    row(40, "Payment terminal", "付费终端", &["pay_terminal"]),
    row(41, "Waiting-call display", "候诊呼叫", &["queue_display"]),
    row(42, "Information screen", "信息屏", &["display"]),
    row(43, "Drinking water", "净化饮水装置", &["water_dispenser"]),
    row(44, "Facility points and their power", "后勤设施点/电表", &["facility_point", "power_meter"]),
    without(row(45, "Drug shortage list", "暂缺药品登记", &[]), "a list that people keep, not a device"),
    row(46, "Gateway, reader, serial line", "网关/读卡器/总线", &["gateway", "ble_reader", "serial_line"]),
];

/// One shipped profile that passes its own tests.
struct Model {
    profile: Profile,
    /// Tests whose payload the maker's document gives.
    own: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Tests that somebody here made up say so.
fn documents_own(text: &str) -> usize {
    let table: toml::Table = text.parse().unwrap();
    let tests = table["test"].as_array().unwrap();
    tests.iter().filter(|test| !test["from"].as_str().unwrap().starts_with("constructed")).count()
}

/// All profiles by class; one whose tests fail does not count.
fn models() -> BTreeMap<String, Vec<Model>> {
    let mut models: BTreeMap<String, Vec<Model>> = BTreeMap::new();
    let classes =
        std::fs::read_dir(root().join("device-profiles")).unwrap().map(|class| class.unwrap().path());
    for class in classes.filter(|class| class.is_dir()) {
        for file in std::fs::read_dir(class).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("rules.toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let Ok(profile) = Profile::parse(&text, &path.display().to_string()) else { continue };
            let own = documents_own(&text);
            models.entry(profile.class().to_string()).or_default().push(Model { profile, own });
        }
    }
    for list in models.values_mut() {
        list.sort_by(|a, b| a.profile.id().cmp(b.profile.id()));
    }
    models
}

/// The metrics of some models, each once, in their order.
fn metrics(of: &[&Model]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for metric in of.iter().flat_map(|model| model.profile.metrics()) {
        if !names.iter().any(|name| *name == metric.name.as_str()) {
            names.push(metric.name.to_string());
        }
    }
    names
}

/// What a row lacks: classes without a profile, metrics that no profile of it measures.
fn lacks(row: &Row, models: &BTreeMap<String, Vec<Model>>) -> Vec<String> {
    let absent = row.classes.iter().filter(|class| !models.contains_key(**class)).map(|c| (*c).to_owned());
    let all: Vec<&Model> = row.classes.iter().filter_map(|class| models.get(*class)).flatten().collect();
    let known = metrics(&all);
    let unmeasured = row.needs.iter().filter(|need| !known.iter().any(|k| k == *need));
    absent.chain(unmeasured.map(|need| (*need).to_owned())).collect()
}

fn line(row: &Row, models: &BTreeMap<String, Vec<Model>>) -> String {
    let head = format!("| {} | {} {}", row.number, row.en, row.zh);
    if !row.none.is_empty() {
        return format!("{head} | - | no device: {} | - | - | - |\n", row.none);
    }
    let classes: Vec<String> = row.classes.iter().map(|class| format!("`{class}`")).collect();
    let all: Vec<&Model> = row.classes.iter().filter_map(|class| models.get(*class)).flatten().collect();
    let mut ids: Vec<String> = all.iter().map(|model| model.profile.id().to_string()).collect();
    let lacks = lacks(row, models);
    if !lacks.is_empty() {
        ids.push(format!("**missing: {}**", lacks.join(", ")));
    }
    let tests: usize = all.iter().map(|model| model.profile.tests()).sum();
    let own: usize = all.iter().map(|model| model.own).sum();
    format!(
        "{head} | {} | {} | {} | {tests} | {own} |\n",
        classes.join(" "),
        ids.join(", "),
        metrics(&all).join(" ")
    )
}

fn page(models: &BTreeMap<String, Vec<Model>>) -> String {
    let mut page = String::from(
        "# Devices · 设备\n\nWritten from `device-profiles/` by `tests/it/devices.rs`; do not edit. A row is missing while no profile of its class\n\
         passes its tests. *Own* counts the tests whose payload a maker's document gives; the others are our own.\n\n\
         本页由程序根据 `device-profiles/` 生成, 请勿手改。\n\n\
         | # | Thing | Class | Profiles | Metrics | Tests | Own |\n|---|---|---|---|---|---|---|\n",
    );
    for row in &ROWS {
        page.push_str(&line(row, models));
    }
    page.push_str(
        "\n## Models of makers · 厂商型号\n\nFacts from public documents, in our own words. Such a model is for devices that are registered with its profile\n\
         by name (`orderly device add ... --profile`).\n\n\
         | Profile | Maker and model | Class | Document | Version, section | Tests | Own |\n|---|---|---|---|---|---|---|\n",
    );
    for model in models.values().flatten().filter(|model| model.profile.vendor() != "Orderly") {
        let (profile, source) = (&model.profile, model.profile.source());
        let place = [source.version.as_deref(), source.section.as_deref()];
        let place: Vec<&str> = place.into_iter().flatten().collect();
        page.push_str(&format!(
            "| {} | {} {} | `{}` | {} | {} | {} | {} |\n",
            profile.id(),
            profile.vendor(),
            profile.model(),
            profile.class(),
            source.document,
            place.join(", "),
            profile.tests(),
            model.own
        ));
    }
    page
}

#[test]
fn the_page_of_devices_says_what_the_tree_holds() {
    let file = root().join("docs/devices.md");
    let wanted = page(&models());
    if std::env::var_os("ORDERLY_WRITE_DOCS").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/devices.md is stale: run the test `devices` with ORDERLY_WRITE_DOCS=1 and commit what it writes"
    );
}

#[test]
fn the_rows_are_the_46_of_the_handbook_and_every_class_has_one() {
    let numbers: Vec<u8> = ROWS.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=46).collect::<Vec<u8>>());
    for class in models().keys() {
        assert!(ROWS.iter().any(|row| row.classes.contains(&class.as_str())), "{class} is in no row");
    }
}
