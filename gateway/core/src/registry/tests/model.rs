//! What fits together, and what a device watched when.

use super::{PLACES, entered, of, rows};
use crate::ids::{DeviceId, ZoneId};
use crate::registry::{Applied, Change, Key, Registry, Table};
use crate::time::Timestamp;

fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

const BAYS: &str = "id,zone,marks\na-1,p-south,accessible ev\na-2,p-south,\nb-1,p-north,tidal\n";

#[test]
fn a_reading_belongs_to_what_its_sensor_watched_when_it_was_taken() {
    let bindings = "\
device,what,id,from,until
s-1,spot,a-1,2026-03-01T00:00:00+08:00,2026-05-01T00:00:00+08:00
s-1,spot,b-1,2026-05-01T00:00:00+08:00,
tag-1,item,wc-1,2026-03-01T00:00:00+08:00,
r-1,place,opd-hall,2026-03-01T00:00:00+08:00,
";
    let items = "id,class,home,label\nwc-1,wheelchair,opd-hall,轮椅 1\n";
    let registry =
        of(&[("places.csv", PLACES), ("bays.csv", BAYS), ("items.csv", items), ("bindings.csv", bindings)]);
    let zone = |device: &str, moment: &str| {
        registry.zone_at(&id(device), at(moment)).map(|zone: &ZoneId| zone.as_str())
    };
    assert_eq!(zone("s-1", "2026-02-28T23:59:59+08:00"), None, "it hung nowhere yet");
    assert_eq!(zone("s-1", "2026-03-01T00:00:00+08:00"), Some("p-south"));
    assert_eq!(zone("s-1", "2026-04-30T23:59:59.999+08:00"), Some("p-south"));
    assert_eq!(zone("s-1", "2026-05-01T00:00:00+08:00"), Some("p-north"));
    assert_eq!(zone("s-1", "2036-05-01T00:00:00+08:00"), Some("p-north"));
    assert_eq!(zone("r-1", "2026-03-02T00:00:00+08:00"), Some("opd-hall"));
    assert_eq!(zone("tag-1", "2026-03-02T00:00:00+08:00"), None, "the tag says which chair, not where");
    let bound = registry.bound(&id("tag-1"), at("2026-03-02T00:00:00+08:00")).map(|b| b.subject.key());
    assert_eq!(bound, Some(Key::new(Table::Item, "wc-1")));
    assert_eq!(zone("s-9", "2026-03-02T00:00:00+08:00"), None);
}

#[test]
fn a_device_watches_one_thing_at_a_time() {
    let registry = of(&[
        ("places.csv", PLACES),
        ("bays.csv", BAYS),
        ("bindings.csv", "device,what,id,from,until\ns-1,spot,a-1,2026-03-01T00:00:00Z,\n"),
    ]);
    let second = "device,what,id,from,until\ns-1,spot,b-1,2026-05-01T00:00:00Z,\n";
    let (_, refused) = entered(&registry, &[("bindings.csv", second)], false);
    assert_eq!(
        refused,
        [
            "bindings.csv: line 2: column from: \"s-1\" watches spot \"a-1\" from 2026-03-01T00:00:00.000Z on already; \
             end the earlier one before"
        ]
    );
    // The one that ends makes room, wherever it stands in the file.
    let both = "device,what,id,from,until\ns-1,spot,b-1,2026-05-01T00:00:00Z,\n\
        s-1,spot,a-1,2026-03-01T00:00:00Z,2026-05-01T00:00:00Z\n";
    let (after, refused) = entered(&registry, &[("bindings.csv", both)], false);
    assert_eq!((refused.len(), after.of(Table::Binding).count()), (0, 2));
    // Another sensor may watch the same bay.
    let other = "device,what,id,from\ns-2,spot,a-1,2026-03-01T00:00:00Z\n";
    assert_eq!(entered(&registry, &[("bindings.csv", other)], false).1, [""; 0]);
}

#[test]
fn rings_and_places_in_nothing_are_refused() {
    let ring =
        "id,kind,in\nmain,site,\na,area,c\nb,area,a\nc,area,b\nd,area,d\nalone,hall,\nsite-2,site,main\n";
    let (after, refused) = entered(&Registry::default(), &[("places.csv", ring)], false);
    assert_eq!(after.len(), 1);
    assert_eq!(refused.len(), 6);
    assert!(refused[3].contains("line 6: column in: \"d\" is in \"d\" itself: a ring"), "{refused:?}");
    assert!(refused[4].contains("line 7: column in: it is in no other place"), "{refused:?}");
    assert!(refused[5].contains("line 8: column in: a site is in no other place"), "{refused:?}");
    // A ring through places that are there already.
    let registry = of(&[("places.csv", PLACES)]);
    let (_, refused) = entered(&registry, &[("places.csv", "id,kind,in\nopd,building,opd-hall\n")], false);
    assert_eq!(
        refused,
        ["places.csv: line 2: column in: \"opd-hall\" is in \"opd\" itself: a ring; name a place around it"]
    );
}

#[test]
fn what_others_name_cannot_go_and_a_change_that_is_refused_changes_nothing() {
    let mut registry = of(&[("places.csv", PLACES), ("bays.csv", BAYS)]);
    let before = rows(&registry);
    let zone = Change::Remove(Key::new(Table::Place, "p-south"));
    let fault = registry.apply(&zone).unwrap_err();
    assert_eq!(fault.message, "place \"p-south\" cannot go: 2 others name it");
    assert_eq!(rows(&registry), before);
    for bay in ["a-1", "a-2"] {
        assert_eq!(registry.apply(&Change::Remove(Key::new(Table::Spot, bay))), Ok(Applied::Removed));
    }
    assert_eq!(registry.apply(&zone), Ok(Applied::Removed));
    assert_eq!(registry.apply(&zone), Ok(Applied::Unchanged));
}

#[test]
fn a_slot_is_where_its_cabinet_is() {
    let spots = "id,kind,zone,in,marks\nslot-1,slot,,cab-1,\ncab-1,cabinet,opd-hall,,\nslot-2,slot,opd-hall,cab-1,\n\
        slot-3,slot,,,\nslot-4,slot,,bay-1,\nbay-1,bay,p-south,,ev\nbed-1,bed,opd-hall,,ev\nbed-2,bed,,,\n";
    let (after, refused) =
        entered(&Registry::default(), &[("places.csv", PLACES), ("spots.csv", spots)], false);
    let refused: Vec<&str> = refused.iter().map(|line| &line[11..]).collect();
    assert_eq!(
        refused,
        [
            "line 4: column zone: a slot is where its cabinet is; leave it empty",
            "line 5: column in: a slot is in a cabinet; name its cabinet",
            "line 6: column in: \"bay-1\" is no cabinet; name its cabinet",
            "line 8: column marks: \"ev\" is no mark of such a thing; known are emergency",
            "line 9: column zone: it is in no place; name the place where it is",
        ]
    );
    let zone = after.zone_of(&"slot-1".parse().unwrap()).map(|zone| zone.as_str());
    assert_eq!(zone, Some("opd-hall"));
}

#[test]
fn a_device_can_be_in_places_that_are_there_once_there_are_any() {
    let zone: ZoneId = "opd-hal".parse().unwrap();
    assert_eq!(Registry::default().knows(&zone), Ok(()));
    assert_eq!(
        of(&[("places.csv", PLACES)]).knows(&zone),
        Err("\"opd-hal\" is no place of the registry; did you mean \"opd-hall\"?".to_owned())
    );
}
