//! Devices that speak and are on no register, from quarantine to their readings.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::catalog::Catalog;
use crate::control::{Desk, Reply, Request};

pub(super) fn desk(core: &Core, site: &Site) -> Desk {
    Desk {
        orders: core.orders.clone(),
        state: StateFile(core.dir.clone()),
        catalog: Arc::new(Catalog::new(texts::gather(&site.settings).unwrap().all_profiles())),
        keys: Arc::clone(&core.keys),
        claims: Arc::default(),
        clock: Arc::clone(&core.clock),
        status: Arc::new(|| serde_json::Value::Null),
        stop: CancellationToken::new(),
    }
}

pub(super) async fn say(core: &Core, class: &str, device: &str, body: &str) {
    say_on(core, &format!("orderly/v1/main/{class}/{device}/up/reading"), body).await;
}

pub(super) async fn say_on(core: &Core, address: &str, body: &str) {
    let entry = Entry {
        kind: Kind::Envelope,
        flags: Flags::default(),
        source: "mqtt:ward",
        connection: 1,
        address,
        body: body.as_bytes(),
    };
    append_durably(&*core.intake, &[entry]).await.unwrap();
    core.caught_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_listed_with_who_reads_it_and_taken_on_in_one_step() {
    let site = Site::new();
    let (core, ..) = site.start(&[]).await;
    let desk = desk(&core, &site);
    say(&core, "bp_meter", "bp-7", r#"{"sys":131,"dia":82,"pulse":70,"t":"2025-11-21T04:00:00Z"}"#).await;
    say(&core, "bp_meter", "bp-7", r#"{"sys":133,"dia":84,"pulse":71,"t":"2025-11-21T04:01:00Z"}"#).await;
    say(&core, "bp_metre", "bp-8", "hello").await;
    let Reply::Ok(found) = desk.carry_out(Request::DeviceUnknown).await else { panic!("it can be listed") };
    let devices = found["devices"].as_array().unwrap();
    assert_eq!(devices.iter().map(|d| &d["id"]).collect::<Vec<_>>(), ["bp-7", "bp-8"]);
    assert_eq!((&devices[0]["samples"], &devices[0]["class"]), (&json!(2), &json!("bp_meter")));
    let best = &devices[0]["suggestions"][0];
    assert_eq!((&best["profile"], &best["fits"]), (&json!("orderly-bp-1"), &json!(true)), "{best}");
    assert_eq!(devices[1]["suggestions"], json!([]));

    let adopt = |device: &str, profile: Option<&str>, key: &str| Request::DeviceAdopt {
        device: device.parse().unwrap(),
        profile: profile.map(|profile| profile.parse().unwrap()),
        zone: Some("ward-3".parse().unwrap()),
        key: key.to_owned(),
    };
    let refused = desk.carry_out(adopt("bp-8", None, "k-0")).await.into_result().unwrap_err();
    assert!(refused.contains("no profile reads what \"bp-8\" sends"), "{refused}");
    let refused = desk.carry_out(adopt("bp-7", Some("orderly-cs-1"), "k-0")).await.into_result().unwrap_err();
    assert!(refused.contains("speaks as a \"bp_meter\""), "{refused}");
    let refused = desk.carry_out(adopt("bp-9", None, "k-0")).await.into_result().unwrap_err();
    assert!(refused.contains("is no unknown device"), "{refused}");

    let done = desk.carry_out(adopt("bp-7", Some("orderly-bp-1"), "k-1")).await.into_result().unwrap();
    assert_eq!((&done["read"], &done["left"]), (&json!(2), &json!(0)));
    let again = desk.carry_out(adopt("bp-7", None, "k-1")).await.into_result().unwrap();
    assert_eq!(again, done, "the same key is the same order");
    let refused = desk.carry_out(adopt("bp-7", None, "k-2")).await.into_result().unwrap_err();
    assert_eq!(refused, "\"bp-7\" is on the register already");
    let Reply::Ok(found) = desk.carry_out(Request::DeviceUnknown).await else { panic!("it can be listed") };
    assert_eq!(found["devices"].as_array().unwrap().len(), 1);
    say(&core, "bp_meter", "bp-7", r#"{"sys":133,"dia":84,"pulse":71,"t":"2025-11-21T04:01:00Z"}"#).await;
    stop(core).await;

    let readings = decided(&site.data()).readings;
    let systolic: Vec<_> = readings.iter().map(|r| r.values[0].value.number().unwrap()).collect();
    assert_eq!(systolic, [131.0, 133.0], "both once, in the history as well");
    let state = StateReader::open(&site.data()).unwrap();
    let rows = state.quarantine(&QuarantineFilter::default()).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.code.as_str()).collect::<Vec<_>>(),
        ["unknown_device"],
        "bp-8 alone"
    );
}
