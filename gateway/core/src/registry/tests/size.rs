//! A large hospital's list. The figure is printed and not asserted: it belongs to the machine.

use std::fmt::Write as _;

use super::{PLACES, planned};
use crate::registry::Registry;

#[test]
fn a_hundred_thousand_items_go_in_and_come_again() {
    let mut items = "id,class,home,label\n".to_owned();
    for n in 0..100_000 {
        let home = ["opd-hall", "p-south", "p-north"][n % 3];
        writeln!(items, "item-{n:06},wheelchair,{home},No. {n}").unwrap();
    }
    let files = [("places.csv", PLACES), ("items.csv", items.as_str())];
    let mut registry = Registry::default();
    let first = planned(&registry, &files, true);
    assert_eq!((first.report.created, first.report.refused.len()), (100_006, 0));
    for change in &first.changes {
        registry.apply(change).unwrap();
    }
    let again = planned(&registry, &files, true);
    assert_eq!((again.report.unchanged, again.changes.len()), (100_006, 0));
}
