//! The hospital's list, line by line into the register.

use serde_json::json;

use super::bench::{Bench, COUNTER};
use crate::inventory::{Entered, Listed, Table};
use crate::record::{ConfigKind, Order};

fn lines(text: &str) -> Vec<Listed> {
    Table::open(text.as_bytes()).unwrap().map(Result::unwrap).collect()
}

fn import(bench: &mut Bench, dry_run: bool, text: &str) -> Entered {
    bench.act("import", Order::ImportDevices { lines: lines(text), dry_run });
    serde_json::from_value(bench.answer().unwrap()).unwrap()
}

fn counts(entered: &Entered) -> (u64, u64, u64, usize) {
    (entered.created, entered.changed, entered.unchanged, entered.refused.len())
}

const LIST: &str = "device,class,profile,zone,firmware\n\
    f2,cold_store,,pharmacy,2.1\n\
    f3,,fridge,,\n\
    f4,cold_stor,,,\n\
    f5,cold_store,fridges,,\n\
    f6,bedside_monitor,fridge,,\n\
    f7,,,ward-1,\n\
    f1,,,ward-1,1.0\n";

#[test]
fn good_lines_go_in_and_bad_ones_are_told_as_by_hand() {
    let mut bench = Bench::fridge();
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    let dry = import(&mut bench, true, LIST);
    assert_eq!(counts(&dry), (2, 1, 0, 4));
    assert!(!bench.written.devices.contains_key("f2"), "a dry run changes nothing");
    assert_eq!(bench.audited("device.register").len(), 1, "f1, by hand");

    let entered = import(&mut bench, false, LIST);
    assert_eq!(entered, dry, "the same is done as was said");
    let said: Vec<String> = entered.refused.iter().map(ToString::to_string).collect();
    let wanted = [
        "line 4: column class: no profile is of the class \"cold_stor\"; did you mean \"cold_store\"?",
        "line 5: column profile: there is no profile \"fridges\"; did you mean \"fridge\"?",
        "line 6: column profile: the profile \"fridge\" is for the class \"cold_store\", not \"bedside_monitor\"",
        "line 7: column class: \"f7\" is new, and nothing says what it is; say its class or its profile",
    ];
    assert_eq!(said, wanted);
    let row = &bench.written.devices["f2"];
    let text = |name: Option<&str>| name.unwrap_or("-").to_owned();
    assert_eq!(text(row.zone.as_ref().map(|zone| zone.as_str())), "pharmacy");
    assert_eq!(text(row.firmware.as_ref().map(|firmware| firmware.as_str())), "2.1");
    assert_eq!(bench.written.devices["f1"].zone.as_ref().unwrap().as_str(), "ward-1");
    let audited = bench.audited("device.register");
    assert_eq!(
        audited.iter().map(|(device, _)| device.as_str()).collect::<Vec<_>>(),
        ["f1", "f2", "f3", "f1"]
    );
    assert_eq!(audited[1].1["line"], 2);
    let done = json!({"created": 2, "changed": 1, "unchanged": 0, "refused": 4, "dry_run": false});
    assert_eq!(bench.audited("device.import")[1].1, done);
    bench.temp("f3", 1_000, 4.0);
    assert_eq!(bench.readings().len(), 1, "it may speak from here on");
}

#[test]
fn the_same_list_again_changes_nothing_also_after_a_restart() {
    let mut bench = Bench::fridge();
    import(&mut bench, false, LIST);
    bench.restore();
    let before = (bench.written.devices.clone(), bench.audited("device.register").len());
    assert_eq!(counts(&import(&mut bench, false, LIST)), (0, 0, 3, 4));
    assert_eq!((bench.written.devices.clone(), bench.audited("device.register").len()), before);
    assert_eq!(counts(&import(&mut bench, false, "device,zone,firmware\nf2,-,\nf3,,3.0\n")), (0, 2, 0, 0));
    let row = &bench.written.devices["f2"];
    assert_eq!(
        (&row.zone, row.firmware.as_ref().unwrap().as_str()),
        (&None, "2.1"),
        "`-` takes away, empty keeps"
    );
}

#[test]
fn who_was_taken_off_is_not_put_back_by_a_list() {
    let mut bench = Bench::fridge();
    bench.act("off", Order::RevokeDevice { device: "f1".parse().unwrap() });
    let entered = import(&mut bench, false, "device,class\nf1,cold_store\n");
    assert_eq!(counts(&entered), (0, 0, 0, 1));
    assert_eq!(entered.refused[0].hint, "`orderly device add f1` puts it back, with a new secret");
    bench.drain();
    assert!(bench.written.devices["f1"].revoked);
}

#[test]
fn a_list_moves_no_device_to_another_class() {
    let mut bench = Bench::fridge();
    bench.config(ConfigKind::Profile("monitor".parse().unwrap()), Some(COUNTER));
    assert_eq!(counts(&import(&mut bench, false, "device,class,zone\nf1,cold_store,ward-2\n")), (0, 1, 0, 0));
    let list = "device,class,zone\nf1,bedside_monitor,ward-1\nf2,bedside_monitor,\n";
    let entered = import(&mut bench, false, list);
    assert_eq!(counts(&entered), (1, 0, 0, 1), "a new device may be of any class");
    let wanted = "line 2: column class: \"f1\" is registered as \"cold_store\", and the line makes it \
                  \"bedside_monitor\"; if that is meant, `orderly device add f1 --class bedside_monitor` changes it";
    assert_eq!(entered.refused[0].to_string(), wanted);
    let entered = import(&mut bench, false, "device,profile\nf1,monitor\n");
    assert_eq!((counts(&entered), &*entered.refused[0].column), ((0, 0, 0, 1), "profile"));
    bench.drain();
    let row = &bench.written.devices["f1"];
    assert_eq!((row.class.as_str(), row.zone.as_ref().unwrap().as_str()), ("cold_store", "ward-2"));
}
