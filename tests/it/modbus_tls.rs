//! Modbus over TLS: polls arrive over it, and whoever is not who he should be is refused with a plain reason.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use orderly::sources::modbus::wire::Framing;
use orderly_tests::gateway::{Site, binary};
use orderly_tests::modbus_bus::{Death, MemoryBus};
use orderly_tests::patience::in_time;
use orderly_tests::{api, certificates};
use serde_json::Value as Json;
use tokio::io::AsyncWriteExt as _;

const PROFILE: &str = r#"
[profile]
id = "still"
class = "still"
vendor = "Test"
model = "Still"
version = "1.0.0"
schema = 1
[source]
document = "Orderly generic model"
[codec]
kind = "registers"
poll = "1s"
[[metric]]
name = "a"
register = { kind = "input", address = 10 }
unit = "1"
[[test]]
input = ["input 10 = 1"]
from = "constructed"
[test.expect]
a = 1
"#;

/// A link with one device of its own name.
fn link(name: &str, address: &str, more: &str) -> String {
    format!(
        "[modbus.{name}]\naddress = \"{address}\"\n{more}\n[[modbus.{name}.device]]\nid = \"{name}\"\nclass = \"still\"\nevery = \"200ms\"\n"
    )
}

fn site(dir: &Path, more: &str) -> Site {
    let profiles = dir.join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(profiles.join("still.toml"), PROFILE).unwrap();
    Site::new(dir, &format!("[profiles]\ndir = {profiles:?}\n\n{more}")).unwrap()
}

/// How a link is: up or not, and what it says.
async fn state(site: &Site, link: &str) -> (bool, String) {
    let status = site.get("/api/v1/status").await.unwrap();
    let source = |s: &&Json| s["name"] == format!("modbus:{link}");
    let source = status["sources"].as_array().unwrap().iter().find(source).unwrap();
    (source["up"] == true, source["detail"].as_str().unwrap_or_default().to_owned())
}

/// Waits until a link says why it is not up.
async fn refusal(site: &Site, link: &str) -> String {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    in_time(link, async {
        loop {
            tick.tick().await;
            match state(site, link).await {
                (true, _) => panic!("{link} is up"),
                (false, why) if !why.is_empty() => return why,
                _ => {}
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_certificates_let_polls_through() {
    let (dir, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = certificates::make(dir.path())
        .and_then(|()| certificates::make_expired(dir.path()))
        .and_then(|()| certificates::make(others.path()));
    if made.is_none() {
        return;
    }
    let (ours, theirs) = (|name: &str| dir.path().join(name), |name: &str| others.path().join(name));
    let bus = || MemoryBus::new(Framing::Tcp, Death::Silence);
    let (open, asking, old) = (bus(), bus(), bus());
    let (cert, key) = (ours("cert.pem"), ours("key.pem"));
    let open_at = open.listen_tls(&cert, &key, None).await.unwrap().port();
    let asking_at = asking.listen_tls(&cert, &key, Some(&ours("ca.pem"))).await.unwrap().port();
    let old_at = old.listen_tls(&ours("old-cert.pem"), &ours("old-key.pem"), None).await.unwrap().port();
    let plain = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let plain_at = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            drop(stream.write_all(b"welcome to port 502\r\n").await);
        }
    });

    let tls = format!("tls = true\nca_file = {:?}", ours("ca.pem"));
    let own = format!("{tls}\ncert_file = {cert:?}\nkey_file = {key:?}");
    let foreign = format!("{tls}\ncert_file = {:?}\nkey_file = {:?}", theirs("cert.pem"), theirs("key.pem"));
    let wrong = format!("tls = true\nca_file = {:?}", theirs("ca.pem"));
    let at = |port: u16| format!("localhost:{port}");
    let links = [
        link("good", &at(open_at), &tls),
        link("named", &format!("127.0.0.1:{open_at}"), &format!("{tls}\nserver_name = \"localhost\"")),
        link("known", &at(asking_at), &own),
        link("wrong-ca", &at(open_at), &wrong),
        link("wrong-name", &format!("127.0.0.1:{open_at}"), &tls),
        link("expired", &at(old_at), &tls),
        link("unknown", &at(asking_at), &tls),
        link("foreign", &at(asking_at), &foreign),
        link("in-the-clear", &at(plain_at), &tls),
    ];
    let site = site(dir.path(), &links.concat());
    let gateway = site.start().unwrap();
    for link in ["good", "named", "known"] {
        api::wait_readings(&site, link, 3).await.unwrap();
        assert!(state(&site, link).await.0, "{link}");
    }
    assert!(open.answers(1) >= 6 && asking.answers(1) >= 3);
    for (link, why) in [
        ("wrong-ca", "its certificate is signed by no authority that we trust"),
        ("wrong-name", "its certificate is for localhost, not for 127.0.0.1"),
        ("expired", "its certificate has expired"),
        ("unknown", "it asks for a certificate of ours"),
        ("foreign", "it does not accept our certificate"),
        ("in-the-clear", "what it says is not TLS"),
    ] {
        let said = refusal(&site, link).await;
        assert!(said.contains(why), "{link}: {said}");
        assert!(api::readings(&site, link).await.unwrap().is_empty(), "{link}");
    }
    assert_eq!(old.answers(1), 0);
    // A renewed file is read without a restart.
    std::fs::copy(ours("ca.pem"), theirs("ca.pem")).unwrap();
    api::wait_readings(&site, "wrong-ca", 1).await.unwrap();
    assert!(gateway.stop().unwrap().success());
}

fn check(site: &Site) -> (bool, String) {
    let checked = Command::new(binary().unwrap())
        .args(["--lang", "en", "check", "--explain", "--config"])
        .arg(site.config_file())
        .output()
        .unwrap();
    let said = [checked.stdout, checked.stderr].concat();
    (checked.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn check_reads_the_files_and_says_what_would_be_right() {
    let (dir, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    if certificates::make(dir.path()).and_then(|()| certificates::make(others.path())).is_none() {
        return;
    }
    let path = |name: &str| format!("{:?}", dir.path().join(name));
    let said = |more: &str| check(&site(dir.path(), &link("plc", "plc.hospital:802", more)));
    let files = |ca: &str, cert: &str, key: &str| {
        format!("tls = true\nca_file = {ca}\ncert_file = {cert}\nkey_file = {key}")
    };

    let (good, plan) = said(&files(&path("ca.pem"), &path("cert.pem"), &path("key.pem")));
    assert!(good && plan.contains("modbus plc (plc.hospital:802 (TLS))"), "{plan}");
    let other_key = format!("{:?}", others.path().join("key.pem"));
    for (more, expected) in [
        (
            files(&path("none.pem"), &path("cert.pem"), &path("key.pem")),
            vec!["modbus.plc.ca_file: ", "none.pem cannot be read"],
        ),
        (
            files(&path("key.pem"), &path("cert.pem"), &path("key.pem")),
            vec!["modbus.plc.ca_file: ", "key.pem holds no certificate"],
        ),
        (
            files(&path("ca.pem"), &path("key.pem"), &path("key.pem")),
            vec!["modbus.plc.cert_file: ", "key.pem holds no certificate"],
        ),
        (
            files(&path("ca.pem"), &path("cert.pem"), &path("cert.pem")),
            vec!["modbus.plc.key_file: ", "holds no private key"],
        ),
        (
            files(&path("ca.pem"), &path("cert.pem"), &other_key),
            vec!["modbus.plc.key_file: ", "is not the key of the certificate in"],
        ),
        (
            format!("ca_file = {}", path("ca.pem")),
            vec!["modbus.plc.ca_file", "says nothing without TLS", "write tls = true"],
        ),
        (format!("tls = true\ncert_file = {}", path("cert.pem")), vec!["modbus.plc.key_file", "is missing"]),
        (format!("tls = true\nkey_file = {}", path("key.pem")), vec!["modbus.plc.cert_file", "is missing"]),
        (
            "tls = true\nserver_name = \"a b\"".to_owned(),
            vec!["modbus.plc.server_name", "is no name of a server", "plc.hospital"],
        ),
        (
            "tls = true\nbackup = [\"/dev/ttyS1\"]".to_owned(),
            vec!["modbus.plc.tls", "cannot be spoken on a serial port"],
        ),
    ] {
        let (good, said) = said(&more);
        assert!(!good, "{more}");
        assert!(expected.iter().all(|part| said.contains(part)), "{more}:\n{said}");
    }
}
