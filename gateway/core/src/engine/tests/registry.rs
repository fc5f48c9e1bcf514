//! Places and things in the engine: decided, audited, kept over a restart, and used for what devices say.

use super::bench::{Bench, START};
use crate::record::Order;
use crate::registry::{File, Report, Table, plan};

const PLACES: &str = "id,kind,in\nmain,site,\nstore-a,store,main\nstore-b,store,main\n";

/// What files ask for, as the shell would order it.
fn change(bench: &mut Bench, files: &[(&str, &str)]) -> Report {
    bench.drain();
    let files: Vec<File<'_>> =
        files.iter().map(|(name, text)| File { name, bytes: text.as_bytes() }).collect();
    let changes = plan(&bench.written.registry, &files, true).changes;
    bench.act("registry", Order::ChangeRegistry { changes });
    serde_json::from_value(bench.answer().unwrap()).unwrap()
}

fn moment(ms: i64) -> String {
    crate::time::Timestamp(START + ms).to_string()
}

#[test]
fn a_reading_has_the_zone_of_what_its_device_watched_when_it_was_taken() {
    let mut bench = Bench::fridge();
    let spots = "id,kind,zone\ncold-1,fridge,store-a\ncold-2,fridge,store-b\n";
    let (first, second) = (moment(0), moment(5_000));
    let bindings =
        format!("device,what,id,from,until\nf1,spot,cold-1,{first},{second}\nf1,spot,cold-2,{second},\n");
    let report =
        change(&mut bench, &[("places.csv", PLACES), ("spots.csv", spots), ("bindings.csv", &bindings)]);
    assert_eq!((report.created, report.refused.len()), (7, 0));
    bench.pass(10_000);
    // The newer one comes first: what counts is when each was taken.
    bench.temp("f1", 9_000, 4.0);
    bench.temp("f1", 4_000, 4.5);
    bench.restore();
    bench.temp("f1", 9_500, 4.0);
    let zones: Vec<String> =
        bench.readings().iter().map(|r| r.zone.as_ref().map_or("-".into(), ToString::to_string)).collect();
    assert_eq!(zones, ["store-b", "store-a", "store-b"]);
    assert_eq!(bench.audited("registry.put").len(), 7);
    assert_eq!(bench.audited("registry.put")[6].0, format!("binding f1 {second}"));
}

#[test]
fn what_comes_too_late_to_fit_is_told_and_holds_up_no_other() {
    let mut bench = Bench::fridge();
    change(&mut bench, &[("places.csv", PLACES)]);
    // Two people read the same registry: what the second wants no longer fits.
    let files = [File { name: "spots.csv", bytes: b"id,kind,zone\na,bay,store-a\nb,bay,store-b\n" }];
    let changes = plan(&bench.written.registry, &files, false).changes;
    change(&mut bench, &[("places.csv", "id,kind,in\nmain,site,\nstore-b,store,main\n")]);
    bench.act("late", Order::ChangeRegistry { changes });
    let report: Report = serde_json::from_value(bench.answer().unwrap()).unwrap();
    assert_eq!((report.created, report.refused.len()), (1, 1));
    let said = report.refused[0].to_string();
    assert_eq!(said, "spot a: line 1: column zone: there is no place \"store-a\"; did you mean \"store-b\"?");
    assert_eq!(bench.written.registry.of(Table::Spot).count(), 1);
    let after = bench.written.registry.clone();
    bench.restore();
    bench.drain();
    assert_eq!(bench.written.registry, after);
}

#[test]
fn a_device_cannot_be_put_where_no_place_is() {
    let mut bench = Bench::fridge();
    change(&mut bench, &[("places.csv", PLACES)]);
    let order = |zone: &str| Order::RegisterDevice {
        device: "f9".parse().unwrap(),
        class: "cold_store".parse().unwrap(),
        profile: None,
        zone: Some(zone.parse().unwrap()),
        credential: None,
        commissioned_at: None,
        firmware: None,
    };
    bench.act("wrong", order("store-c"));
    assert_eq!(
        bench.answer(),
        Err("\"store-c\" is no place of the registry; did you mean \"store-a\"?".to_owned())
    );
    bench.act("right", order("store-a"));
    assert!(bench.answer().is_ok());
}
