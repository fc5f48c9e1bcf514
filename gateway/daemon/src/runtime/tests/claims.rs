//! Claim codes over the control desk.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::strangers::{desk, say, say_on};
use super::*;
use crate::api::Reads;
use crate::control::{Desk, Request};

async fn claim(desk: &Desk, code: &str, device: Option<&str>) -> Result<serde_json::Value, String> {
    let request = Request::DeviceClaim {
        code: code.to_owned(),
        device: device.map(|device| device.parse().unwrap()),
        profile: None,
        zone: Some("ward-3".parse().unwrap()),
        key: uuid::Uuid::now_v7().to_string(),
    };
    desk.carry_out(request).await.into_result()
}

async fn claims(core: &Core, device: &str, body: &str) {
    say_on(core, &format!("orderly/v1/main/bp_meter/{device}/up/claim"), body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_device_takes_it_on_with_the_code_on_its_label() {
    let site = Site::new();
    let (core, clock, _) = site.start(&[]).await;
    let desk = desk(&core, &site);
    claims(&core, "bp-1", r#"{"code":"7K4M-2Q9X"}"#).await;
    claims(&core, "bp-2", "AAAA-1111").await;
    claims(&core, "bp-3", "AAAA-1111").await;
    let hash: String = Sha256::digest("bp-4:SECRET99").iter().map(|byte| format!("{byte:02x}")).collect();
    claims(&core, "bp-4", &format!(r#"{{"sha256":"{hash}"}}"#)).await;
    say(&core, "bp_meter", "24e124136b502217", r#"{"sys":131,"dia":82,"t":"2025-11-21T04:00:00Z"}"#).await;

    let shown = desk.carry_out(Request::DeviceUnknown).await.into_result().unwrap();
    let bp1 = shown["devices"].as_array().unwrap().iter().find(|device| device["id"] == "bp-1").unwrap();
    assert_eq!((&bp1["excerpt"], &bp1["suggestions"]), (&json!(""), &json!([])), "the code is not shown");

    let done = claim(&desk, "7k4m 2q9x", None).await.unwrap();
    assert_eq!((&done["device"], &done["profile"]), (&json!("bp-1"), &json!("orderly-bp-1")));
    let several = claim(&desk, "aaaa1111", None).await.unwrap_err();
    assert_eq!(several, "2 devices have this code: bp-2, bp-3; name one");
    assert_eq!(claim(&desk, "aaaa1111", Some("bp-3")).await.unwrap()["device"], "bp-3");
    assert_eq!(claim(&desk, "secret99", None).await.unwrap()["device"], "bp-4");
    let label = "LW:D0:1122334455667788:24E124136B502217:AABB1122";
    let done = claim(&desk, label, None).await.unwrap();
    assert_eq!((&done["device"], &done["read"]), (&json!("24e124136b502217"), &json!(1)));

    assert!(claim(&desk, "a-1", None).await.unwrap_err().contains("6 to 128 letters and digits"));
    clock.0.store(3_600_001, Ordering::Relaxed);
    let late = claim(&desk, "aaaa1111", Some("bp-2")).await.unwrap_err();
    assert!(late.starts_with("no unknown device that spoke within the last hour has this code"), "{late}");
    for _ in 0..4 {
        claim(&desk, "zzzz9999", None).await.unwrap_err();
    }
    claims(&core, "bp-5", "BBBB-2222").await;
    let limited = claim(&desk, "bbbb2222", None).await.unwrap_err();
    assert_eq!(limited, "5 wrong codes were typed; try again in 10 min");
    clock.0.store(3_600_001 + 600_000, Ordering::Relaxed);
    assert_eq!(claim(&desk, "bbbb2222", None).await.unwrap()["device"], "bp-5");

    let reads = crate::runtime::reads::StoreReads::new(
        core.dir.clone(),
        Arc::clone(&core.clock),
        Arc::clone(&desk.catalog),
        Arc::clone(&core.keys),
        Arc::clone(&desk.claims),
        Arc::default(),
    );
    let (rows, _) =
        reads.quarantine(&crate::api::QuarantineQuery { limit: 10, ..Default::default() }).unwrap();
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row.excerpt.is_empty()),
        "bp-2 waits, its code is not shown"
    );
    stop(core).await;
    let audited = StateReader::open(&site.data()).unwrap();
    assert_eq!(audited.devices().unwrap().len(), 5);
}
