//! The hospital's list over the control desk.

use orderly_core::inventory::{Entered, Listed, Table};

use super::strangers::desk;
use super::*;
use crate::control::Request;

fn lines(text: &str) -> Vec<Listed> {
    Table::open(text.as_bytes()).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_list_is_committed_as_a_whole_and_once_however_often_it_is_sent() {
    let site = Site::new();
    // The commit of the list fails once: the engine begins again from the journal and decides the same.
    let (core, ..) = site.start(&[Fault::None, Fault::Before]).await;
    let desk = desk(&core, &site);
    let import = async |text: &str, dry_run: bool| {
        let request = Request::DeviceImport { lines: lines(text), dry_run, key: "list".to_owned() };
        let said = desk.carry_out(request).await.into_result().unwrap();
        serde_json::from_value::<Entered>(said).unwrap()
    };
    let mut list = String::from("device,class,zone\n");
    (0..500).for_each(|n| list.push_str(&format!("bp-{n:03},bp_meter,ward-{}\n", n % 7)));
    let first = import(&list, false).await;
    assert_eq!((first.created, first.changed, first.unchanged), (500, 0, 0));
    let again = import(&list, false).await;
    assert_eq!((again.created, again.changed, again.unchanged), (0, 0, 500));
    let dry = import(&list.replace("ward-6", "ward-9"), true).await;
    assert_eq!((dry.changed, dry.unchanged), (71, 429));
    stop(core).await;
    let rows = StateReader::open(&site.data()).unwrap().devices().unwrap();
    assert_eq!(rows.len(), 500);
    assert!(rows.iter().all(|row| row.zone.as_ref().is_some_and(|zone| zone.as_str() != "ward-9")));
}
