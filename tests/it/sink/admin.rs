//! Health, buckets and old history through the `influxdb2` crate.

use orderly::config::{Credentials, Span};
use orderly::sinks::StoreCheck;
use orderly::sinks::influx::admin::{Admin, AdminError, Asked, OldPoint, OldValue};
use orderly::sinks::influx::{Engine, InfluxConfig};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::time::Timestamp;
use orderly_tests::fakestore::FakeStore;
use orderly_tests::patience::in_time;

use super::double::{Rig, config};

fn admin(config: &InfluxConfig) -> Admin {
    Admin::new(config, &Credentials::default()).unwrap()
}

#[tokio::test]
async fn asks_for_health_and_makes_the_bucket_once() {
    let store = FakeStore::start().await;
    let admin = admin(&config(store.url()));
    assert_eq!(admin.health().await.unwrap(), (true, None));
    assert!(admin.ensure_bucket().await.unwrap());
    assert!(!admin.ensure_bucket().await.unwrap());
    assert_eq!(store.seen().buckets, ["orderly"]);
}

#[tokio::test]
async fn the_sink_makes_its_bucket_when_asked_to() {
    let store = FakeStore::start().await;
    let mut rig =
        Rig::start(InfluxConfig { create_bucket: true, bucket: "wards".to_owned(), ..config(store.url()) });
    store.until(|seen| seen.buckets == ["wards"]).await;
    let last = rig.commit("bp-1", 3);
    rig.until_cursor(last).await;
}

#[tokio::test]
async fn reads_old_history_and_survives_what_the_crate_does_not() {
    let store = FakeStore::start().await;
    let admin = admin(&config(store.url()));
    let (site, class, device) =
        (SiteId::new("main").unwrap(), ClassId::new("bp_meter").unwrap(), DeviceId::new("bp-1").unwrap());
    let asked = Asked {
        site: &site,
        class: &class,
        device: &device,
        stream: None,
        field: "sys",
        from: Timestamp(1_700_000_000_000),
        to: Timestamp(1_700_000_100_000),
        newest_first: true,
        limit: 10,
    };
    let csv = |value: &str| {
        format!(
            "#datatype,string,long,long,double,string\r\n#group,false,false,false,false,false\r\n\
             #default,_result,,,,\r\n,result,table,ns,value,stream\r\n\
             ,,0,1700000000001000077,{value},reading\r\n"
        )
    };
    store.answer_queries(&csv("152.5"));
    let points = admin.history(&asked).await.unwrap();
    let want = OldPoint {
        ns: 1_700_000_000_001_000_077,
        stream: "reading".to_owned(),
        value: OldValue::Number(152.5),
    };
    assert_eq!(points, [want]);
    let flux = store.answer_queries(&csv(""));
    for part in ["start: 2023-11-14T22:13:20.000Z", "r.device == \"bp-1\"", "r.site == \"main\""] {
        assert!(flux.contains(part), "{flux}");
    }
    let error = admin.history(&asked).await.unwrap_err();
    assert!(matches!(error, AdminError::Answer(_)), "{error}");
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_in_time() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    // The port is open and nobody ever answers.
    let admin_of = |url: String| admin(&InfluxConfig { timeout: Span::ms(50), ..config(url) });
    assert_eq!(admin_of(url).health().await, Err(AdminError::Silent));
    let with_path = InfluxConfig { url: "http://127.0.0.1:1/base".to_owned(), ..config(String::new()) };
    assert!(matches!(Admin::new(&with_path, &Credentials::default()), Err(AdminError::Unsupported(_))));
}

/// What the status says about the store once it was asked.
async fn checked(config: InfluxConfig) -> (StoreCheck, Rig) {
    let mut rig = Rig::start(config);
    let asked = rig.status.wait_for(|s| s.store != StoreCheck::Unknown);
    let found = in_time("the store's own word", asked).await.unwrap().store.clone();
    (found, rig)
}

#[tokio::test]
async fn a_wrong_bucket_or_token_is_explained_before_the_first_reading_and_mended_without_a_restart() {
    let store = FakeStore::start().await;
    let (found, mut rig) = checked(config(store.url())).await;
    let why = found.detail().unwrap_or_default();
    assert!(
        found.word() == "faulty" && why.contains("\"orderly\"") && why.contains("create_bucket"),
        "{found:?}"
    );
    store.add_bucket("orderly");
    in_time("a healthy store", rig.status.wait_for(|s| s.store == StoreCheck::Ok)).await.unwrap();

    store.expect_token("right");
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, "wrong").unwrap();
    let (found, mut rig) =
        checked(InfluxConfig { token_file: Some(token_file.clone()), ..config(store.url()) }).await;
    assert!(found.detail().is_some_and(|why| why.contains("401") && why.contains("token_file")), "{found:?}");
    std::fs::write(&token_file, "right").unwrap();
    in_time("a healthy store", rig.status.wait_for(|s| s.store == StoreCheck::Ok)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_no_fault() {
    let store = FakeStore::start().await;
    let (found, _rig) =
        checked(InfluxConfig { engine: Engine::VictoriaMetrics, ..config(store.url()) }).await;
    assert!(found.word() == "unsupported" && found.detail().unwrap().contains("Flux"), "{found:?}");
    // Another VictoriaMetrics, and nobody said so: it answers `OK`, which is no JSON.
    if orderly_tests::victoria::find().is_some() {
        let dir = tempfile::tempdir().unwrap();
        let victoria = orderly_tests::victoria::Victoria::start(dir.path()).await.unwrap();
        let (found, mut rig) = checked(config(victoria.url(""))).await;
        assert!(found.word() == "unsupported" && found.detail().unwrap().contains("product"), "{found:?}");
        let last = rig.commit("bp-1", 3);
        assert_eq!(rig.until_cursor(last).await.last_error, None);
    }
}
