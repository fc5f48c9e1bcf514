//! The HTTP doors: what is refused, what is kept, and that a 2xx leaves only when the disk has it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use orderly::outbound;
use orderly::sources::http::hooks::Hooks;
use orderly::sources::http::{self, Deps};
use orderly::sources::mqtt_door::{Attempt, Login, Logins};
use orderly_core::ids::{ClassId, DeviceId, SiteId};
use orderly_core::record::Flags;
use orderly_tests::memory_intake::{Disk, Handle, MemoryIntake};
use reqwest::{Client, RequestBuilder, Response};
use tokio_util::sync::CancellationToken;

/// A register with at most one device, `bp-1` of class `bp_meter` with the secret `s3cret`.
#[derive(Default)]
struct Register {
    has_credentials: Mutex<bool>,
}

impl Logins for Register {
    fn check(&self, attempt: &Attempt<'_>) -> Login {
        let closed = *self.has_credentials.lock().unwrap();
        match (attempt.username, attempt.password) {
            (Some("bp-1"), Some(b"s3cret")) if closed => Login::Device {
                device: DeviceId::new("bp-1").unwrap(),
                class: ClassId::new("bp_meter").unwrap(),
            },
            (None, _) if !closed && attempt.peer.ip().is_loopback() => Login::Anonymous,
            _ => Login::Refused,
        }
    }
}

struct Rig {
    intake: Arc<MemoryIntake>,
    register: Arc<Register>,
    address: SocketAddr,
    client: Client,
    _stop: tokio_util::sync::DropGuard,
}

impl Rig {
    async fn start(disk: Disk) -> Self {
        let intake = MemoryIntake::new(disk);
        let register = Arc::new(Register::default());
        let deps = Deps {
            intake: Arc::new(Handle(Arc::clone(&intake))),
            logins: Arc::clone(&register) as Arc<dyn Logins>,
            site: SiteId::new("main").unwrap(),
            owner: Arc::new(|line| line.tag("dev").map(str::to_owned).into_iter().collect()),
            hooks: Arc::new(Hooks::none()),
            peer: None,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(http::run(listener, deps, stop.clone()));
        let base = outbound::base(&format!("http://{address}")).unwrap();
        let client = outbound::client(&base, None, std::time::Duration::from_secs(60)).unwrap();
        Self { intake, register, address, client, _stop: stop.drop_guard() }
    }

    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client.post(format!("http://{}{path}", self.address)).body(body)
    }

    fn reading(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.post("/ingest/v1/main/bp_meter/bp-1/reading", body)
    }

    fn close(&self) {
        *self.register.has_credentials.lock().unwrap() = true;
    }
}

/// Status and error text of an answer.
async fn said(request: RequestBuilder) -> (u16, String) {
    let answer: Response = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_reading_is_kept_as_if_it_came_on_its_own_topic() {
    let rig = Rig::start(Disk::Fast).await;
    let body = r#"{"sys":152,"dia":96}"#;
    assert_eq!(said(rig.reading(body)).await, (204, String::new()));
    let kept = rig.intake.records();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].address, "orderly/v1/main/bp_meter/bp-1/up/reading");
    assert_eq!((kept[0].body.as_slice(), kept[0].flags), (body.as_bytes(), Flags::ANONYMOUS));
}

#[tokio::test]
async fn the_answer_waits_for_the_disk() {
    let rig = Rig::start(Disk::Held).await;
    let mut one = tokio::spawn(said(rig.reading("{}")));
    let mut two = tokio::spawn(said(rig.post("/api/v2/write", "m f=1")));
    rig.intake.wait_for(2).await;
    tokio::select! {
        biased;
        answer = &mut one => panic!("answered before the disk had it: {answer:?}"),
        answer = &mut two => panic!("answered before the disk had it: {answer:?}"),
        () = tokio::task::yield_now() => {}
    }
    rig.intake.sync();
    assert_eq!((one.await.unwrap().0, two.await.unwrap().0), (204, 204));
}

#[tokio::test]
async fn a_failed_disk_or_a_closed_journal_is_no_success() {
    for lines in [false, true] {
        let rig = Rig::start(Disk::Held).await;
        let request = if lines { rig.post("/api/v2/write", "m f=1") } else { rig.reading("{}") };
        let waiting = tokio::spawn(request.send());
        rig.intake.wait_for(1).await;
        rig.intake.fail();
        let answer = waiting.await.unwrap().unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        assert!(answer.text().await.unwrap().contains("nothing was kept"));
    }
    let rig = Rig::start(Disk::Fast).await;
    rig.intake.refuse(true);
    assert_eq!(said(rig.reading("{}")).await.0, 503);
    assert_eq!(said(rig.post("/api/v2/write", "m f=1")).await.0, 503);
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_its_place_and_not_kept() {
    let rig = Rig::start(Disk::Fast).await;
    for (body, place) in [
        ("", "line 1 column 0"),
        ("{\"sys\":152,\n\"dia\":}", "line 2 column 7"),
        ("{\"sys\":NaN}", "line 1 column 8"),
        ("{} {}", "line 1 column 4"),
        ("\u{feff}{}", "line 1 column 1"),
    ] {
        let (status, text) = said(rig.reading(body)).await;
        let error: serde_json::Value = serde_json::from_str(&text).unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert_eq!((status, message.contains(place)), (400, true), "{body:?}: {message}");
    }
    assert_eq!(said(rig.reading("[".repeat(200_000))).await.0, 400, "depth is bounded");
    assert_eq!(said(rig.reading(vec![b' '; 256 * 1024 + 1])).await.0, 413);
    assert_eq!(said(rig.post("/ingest/v1/main/bp_meter/bp%201/reading", "{}")).await.0, 400);
    assert_eq!(said(rig.post("/ingest/v1/main/bp_meter/bp-1/a%2Fb", "{}")).await.0, 400);
    assert_eq!(said(rig.post("/ingest/v1/other/bp_meter/bp-1/reading", "{}")).await.0, 403);
    assert_eq!(rig.intake.records(), []);
}

#[tokio::test]
async fn once_there_is_a_credential_a_device_sends_its_own_and_nobody_else_anything() {
    let rig = Rig::start(Disk::Fast).await;
    rig.close();
    assert_eq!(said(rig.reading("{}")).await.0, 401);
    assert_eq!(said(rig.reading("{}").basic_auth("bp-1", Some("guess"))).await.0, 401);
    assert_eq!(said(rig.reading("{}").basic_auth("bp-1", Some("s3cret"))).await.0, 204);
    assert_eq!(said(rig.reading("{}").bearer_auth("s3cret")).await.0, 204);
    let foreign = "/ingest/v1/main/bp_meter/bp-2/reading";
    assert_eq!(said(rig.post(foreign, "{}").basic_auth("bp-1", Some("s3cret"))).await.0, 403);
    let other_class = "/ingest/v1/main/glucose_meter/bp-1/reading";
    assert_eq!(said(rig.post(other_class, "{}").basic_auth("bp-1", Some("s3cret"))).await.0, 403);

    let write = |body: &'static str| rig.post("/api/v2/write?precision=ms", body);
    assert_eq!(said(write("m f=1")).await.0, 401);
    let token = |request: RequestBuilder| request.header("authorization", "Token bp-1:s3cret");
    assert_eq!(said(token(write("m,dev=bp-1 f=1 5"))).await.0, 204);
    let (status, text) = said(token(write("m,dev=bp-1 f=1\nm,dev=victim f=2"))).await;
    assert_eq!((status, text.contains("line 2")), (403, true), "{text}");
    let kept = rig.intake.records();
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|r| !r.flags.has(Flags::ANONYMOUS)));
}

#[tokio::test]
async fn a_web_page_may_not_send_readings() {
    let rig = Rig::start(Disk::Fast).await;
    for request in [rig.reading("{}"), rig.post("/api/v2/write", "m f=1")] {
        let (status, text) = said(request.header("origin", "http://127.0.0.1:8080")).await;
        assert_eq!((status, text.contains("web page")), (403, true));
    }
    assert_eq!(rig.intake.records(), []);
}

#[tokio::test]
async fn lines_are_kept_in_nanoseconds_or_refused_by_number() {
    let rig = Rig::start(Disk::Fast).await;
    let body = "scale,dev=s-1 g=12.5,state=\"a b\" 1700000000000\nscale,dev=s-2 g=1i 1700000000001";
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    let path = "/api/v2/write?org=any&bucket=any&precision=ms";
    let packed = rig.post(path, packed.finish().unwrap()).header("content-encoding", "gzip");
    assert_eq!(said(packed).await, (204, String::new()));
    let kept = rig.intake.records();
    assert_eq!((kept.len(), kept[0].address.as_str()), (1, "/api/v2/write"));
    assert_eq!(kept[0].flags, Flags::LINE_PROTOCOL.with(Flags::ANONYMOUS));
    assert_eq!(
        String::from_utf8(kept[0].body.clone()).unwrap(),
        "scale,dev=s-1 g=12.5,state=\"a b\" 1700000000000000000\nscale,dev=s-2 g=1i 1700000000001000000\n"
    );

    for (path, body, want) in [
        ("/api/v2/write", "m f=1\nm f=\nm f=2\nm g=NaN", "line 2"),
        ("/api/v2/write", "m f=1\nm f=\nm f=2\nm g=NaN", "line 4"),
        ("/api/v2/write?precision=h", "m f=1", "precision"),
        ("/api/v2/write", "", "no line"),
    ] {
        let (status, text) = said(rig.post(path, body)).await;
        let error: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, error["code"].as_str()), (400, Some("invalid")));
        assert!(error["message"].as_str().unwrap().contains(want), "{text}");
    }
    let gzip = |body: Vec<u8>| rig.post("/api/v2/write", body).header("content-encoding", "gzip");
    assert_eq!(said(gzip(b"m f=1".to_vec())).await.0, 400, "not gzip");
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    bomb.write_all(&vec![b'#'; 17 << 20]).unwrap();
    assert_eq!(said(gzip(bomb.finish().unwrap())).await.0, 413, "unpacks to more than may be held");
    assert_eq!(said(rig.post("/api/v2/write", "x").header("content-encoding", "zstd")).await.0, 400);
    assert_eq!(rig.intake.records().len(), 1, "nothing else was kept");
}

#[tokio::test]
async fn bulk_waits_while_the_engine_is_behind() {
    let rig = Rig::start(Disk::Fast).await;
    rig.intake.crowd(true);
    let waiting = tokio::spawn(said(rig.post("/api/v2/write", "m f=1")));
    tokio::task::yield_now().await;
    assert_eq!(rig.intake.records(), []);
    rig.intake.crowd(false);
    assert_eq!(waiting.await.unwrap().0, 204);
}

/// The client that most Python scripts use, if it is installed.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_influxdb_writes_to_it() {
    let python =
        std::env::var_os("ORDERLY_TEST_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found = Command::new(&python).args(["-c", "import influxdb_client"]).output();
    if !found.is_ok_and(|o| o.status.success()) {
        println!("skipped: {} has no influxdb_client (pip install influxdb-client)", python.display());
        return;
    }
    let rig = Rig::start(Disk::Fast).await;
    let script = r#"
import sys
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
for gzip in (False, True):
    with InfluxDBClient(url=sys.argv[1], token='any', org='hospital', enable_gzip=gzip) as client:
        write = client.write_api(write_options=SYNCHRONOUS)
        point = Point('scale').tag('dev', 's-1').field('g', 12.5).field('n', 3).field('ok', True).field('s', 'a \"b\" \\ c')
        write.write('orderly', record=[point.time(1700000000000, WritePrecision.MS)])
        write.write('orderly', record='scale,dev=s-2 g=1 1700000000000000000')
        try:
            write.write('orderly', record='scale,dev=s-2 g=1\nscale g=')
            sys.exit('a bad line was taken')
        except ApiException as refused:
            assert refused.status == 400 and 'line 2' in refused.message, refused
"#;
    let address = format!("http://{}", rig.address);
    let run = tokio::task::spawn_blocking(move || {
        Command::new(python).args(["-c", script, &address]).output().unwrap()
    });
    let output = run.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = rig.intake.records();
    assert_eq!(kept.len(), 4);
    let first = String::from_utf8(kept[0].body.clone()).unwrap();
    assert_eq!(first, "scale,dev=s-1 g=12.5,n=3i,ok=true,s=\"a \\\"b\\\" \\\\ c\" 1700000000000000000\n");
}
