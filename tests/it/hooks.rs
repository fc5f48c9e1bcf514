//! Vendor clouds that push: what is signed is kept, the rest is not, and a person's name is nowhere.

use std::path::Path;
use std::process::Command;

use orderly::runtime::clock::SystemClock;
use orderly_core::time::Clock as _;
use orderly_tests::api::{readings, wait_readings};
use orderly_tests::gateway::{Site, binary, client};
use orderly_tests::planted::found_in;
use reqwest::RequestBuilder;
use ring::hmac;

const SECRET: &str = "s3cret-of-the-cloud";
const USER: &str = "user-张三-110101199003072316";

fn point(sys: u32) -> String {
    format!(
        r#"{{"header":{{"id":"h-{sys}","user_id":"{USER}"}},"body":{{"systolic_blood_pressure":{{"value":{sys},"unit":"mmHg"}},
        "diastolic_blood_pressure":{{"value":80,"unit":"mmHg"}},"effective_time_frame":{{"date_time":"2026-11-21T07:30:{:02}+08:00"}},
        "user_notes":"{USER} was dizzy"}}}}"#,
        sys % 60
    )
}

fn tag(message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::sign(&key, message).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A gateway with two clouds: `omh` signs time and body in hex, `plain` the body in Base64.
fn site(dir: &Path) -> Site {
    let secret = dir.join("omh-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let more = format!(
        "[http.hooks.omh]\nheader = \"X-Signature\"\nprefix = \"sha256=\"\nsigned = \"timestamp.body\"\n\
         timestamp_header = \"X-Time\"\ntolerance = \"2m\"\nsecret_file = {secret:?}\n\
         [http.hooks.plain]\nheader = \"X-Plain\"\nencoding = \"base64\"\nsecret_env = \"ORDERLY_TEST_SECRET\"\n"
    );
    Site::new(dir, &more).unwrap()
}

fn add(site: &Site, device: &str, class: &str, profile: &str) {
    let arguments = ["device", "add", device, "--class", class, "--profile", profile, "--config"];
    let mut command = Command::new(binary().unwrap());
    let done = command.args(arguments).arg(site.config_file()).env("ORDERLY_TEST_SECRET", SECRET).output();
    assert!(done.unwrap().status.success());
}

fn post(site: &Site, path: &str, body: &str) -> RequestBuilder {
    client().unwrap().post(site.url(path)).body(body.to_owned())
}

/// As the cloud `omh` posts it, so many seconds ago.
fn signed(site: &Site, below: &str, body: &str, seconds_ago: i64) -> RequestBuilder {
    let now = SystemClock::start().unwrap().now().wall.0 / 1_000;
    let time = (now - seconds_ago).to_string();
    let said = hex(&tag(format!("{time}.{body}").as_bytes()));
    let request = post(site, &format!("/ingest/v1/hooks/omh/{below}"), body);
    request.header("X-Signature", format!("sha256={said}")).header("X-Time", time)
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_a_cloud_has_signed_becomes_a_reading_and_nothing_else_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    add(&site, "bp-0042", "bp_meter", "openmhealth-blood-pressure");
    let gateway =
        site.start_under(Command::new(binary().unwrap()).env("ORDERLY_TEST_SECRET", SECRET)).unwrap();

    let below = "blood-pressure/bp-0042";
    assert_eq!(status(signed(&site, below, &point(125), 0)).await, 204);
    let plain = post(&site, &format!("/ingest/v1/hooks/plain/{below}"), &point(126));
    let said = base64(&tag(point(126).as_bytes()));
    assert_eq!(status(plain.header("X-Plain", said)).await, 204);
    // A cloud that had no answer sends the same again.
    assert_eq!(status(signed(&site, below, &point(125), 1)).await, 204);
    wait_readings(&site, "bp-0042", 2).await.unwrap();

    let forged = post(&site, &format!("/ingest/v1/hooks/omh/{below}"), "{\"kept\":\"never-kept\"}");
    let forged = forged.header("X-Signature", format!("sha256={}", "00".repeat(32)));
    assert_eq!(status(forged.header("X-Time", "1")).await, 401);
    assert_eq!(status(signed(&site, below, "{\"kept\":\"never-kept\"}", 600)).await, 401, "recorded");
    assert_eq!(status(post(&site, "/ingest/v1/hooks/plain/x", "{\"kept\":\"never-kept\"}")).await, 401);
    assert_eq!(status(post(&site, "/ingest/v1/hooks/other/x", "{}")).await, 404);
    assert_eq!(status(signed(&site, "a%20b/x", "{}", 0)).await, 400);
    let answer = signed(&site, below, &format!("{{\"{USER}\": never-kept}}"), 0).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    let said = answer.text().await.unwrap();
    assert!(said.contains("line 1 column") && !said.contains("never"), "{said}");
    let page = signed(&site, below, &point(127), 0).header("Origin", "http://ward.example");
    assert_eq!(status(page).await, 403);

    let all = readings(&site, "bp-0042").await.unwrap();
    let mut sys: Vec<f64> = all.iter().map(|r| r["values"]["sys"]["value"].as_f64().unwrap()).collect();
    sys.sort_by(f64::total_cmp);
    assert_eq!(sys, [125.0, 126.0], "once each");
    let state = site.get("/api/v1/status").await.unwrap();
    let detail = |name: &str| {
        let sources = state["sources"].as_array().unwrap();
        let one = sources.iter().find(|source| source["name"] == name).unwrap();
        one["detail"].as_str().unwrap().to_owned()
    };
    let (omh, plain) = (detail("hook omh"), detail("hook plain"));
    assert!(omh.starts_with("2 requests taken; 2 refused") && omh.contains("is a clock wrong?"), "{omh}");
    assert!(plain.starts_with("1 requests taken; 1 refused"), "{plain}");
    let figures = client().unwrap().get(site.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(figures.contains("orderly_hook_requests_refused_total{hook=\"omh\"} 2"), "{figures}");

    gateway.stop().unwrap();
    let found = found_in(&site.data_dir(), &[USER, "never-kept", SECRET]).unwrap();
    assert!(found.is_empty(), "{found:?}");
    assert!(!site.log().contains("张三") && !site.log().contains(SECRET));
    let keys: Vec<_> = std::fs::read_dir(site.data_dir().join("keys")).unwrap().collect();
    assert!(!keys.is_empty(), "the shipped profile names identity fields");
}

#[tokio::test]
async fn a_hook_that_cannot_be_is_said_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let check = |hook: &str| {
        site.configure(&format!("[http.hooks.x]\n{hook}")).unwrap();
        let mut command = Command::new(binary().unwrap());
        let done =
            command.arg("check").arg("--config").arg(site.config_file()).env("LANG", "C.UTF-8").output();
        let done = done.unwrap();
        assert!(!done.status.success(), "{hook}");
        String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout)
    };
    for (hook, said) in [
        ("header = \"X-S\"", "needs its secret from one place"),
        ("header = \"X S\"\nsecret_env = \"A\"", "is no name of a header"),
        (
            "header = \"X-S\"\nsecret_env = \"A\"\nsigned = \"timestamp.body\"",
            "names the time that is signed",
        ),
        (
            "header = \"X-S\"\nsecret_env = \"A\"\ntimestamp_header = \"X-T\"",
            "says nothing when the body alone",
        ),
        ("header = \"X-S\"\nsecret = \"A\"", "secret"),
        (
            "header = \"X-S\"\nsecret_env = \"ORDERLY_NO_SUCH_SECRET\"",
            "the environment has no ORDERLY_NO_SUCH",
        ),
        ("header = \"X-S\"\nsecret_file = \"no-such-secret\"", "http.hooks.x.secret_file"),
    ] {
        let text = check(hook);
        assert!(text.contains(said), "{hook}: {text}");
    }
    site.configure("[http.hooks.x]\nheader = \"X-S\"\nsecret_env = \"ORDERLY_NO_SUCH_SECRET\"").unwrap();
    let why = site.start().unwrap_err();
    assert!(format!("{why:?}").contains("the environment has no ORDERLY_NO_SUCH_SECRET"), "{why:?}");
}

/// Base64 as RFC 4648 has it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut all = [0_u8; 3];
        all[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from(all[0]) << 16 | u32::from(all[1]) << 8 | u32::from(all[2]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}
