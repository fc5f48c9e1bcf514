//! The daemon as a process: one a directory, ports with their owner, orders over the socket and without it.

use std::path::Path;
use std::process::{Command, Output};

use orderly_tests::gateway::{Site, binary};
use orderly_tests::mqtt_load::Publisher;

fn orderly(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary().unwrap());
    command.args(arguments).arg("--config").arg(site.config_file()).env("LANG", "C.UTF-8").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a second daemon and gives what it said when it was refused.
fn refused(config: &Path) -> String {
    let output = Command::new(binary().unwrap()).args(["run", "--config"]).arg(config).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn a_second_daemon_on_a_data_directory_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let gateway = site.start().unwrap();
    let said = refused(&site.config_file());
    assert!(said.contains(&format!("is in use by process {}", gateway.pid())), "{said}");
    gateway.stop().unwrap();
}

#[test]
fn a_port_in_use_is_named_with_its_owner_and_the_key_and_nothing_is_left_behind() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Site::new(one.path(), "").unwrap();
    let mut second = Site::new(two.path(), "").unwrap();
    second.mqtt = first.mqtt;
    second.configure("").unwrap();
    let gateway = first.start().unwrap();

    let said = refused(&second.config_file());
    assert!(said.contains(&format!("is in use by orderly (pid {})", gateway.pid())), "{said}");
    assert!(said.contains("key listener.bind or with ORDERLY__LISTENER__BIND"), "{said}");
    gateway.stop().unwrap();
    second.start().unwrap().stop().unwrap();
}

#[test]
fn doors_leave_loopback_only_when_every_device_has_a_credential() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let open = format!(
        "site = \"main\"\ndata_dir = {:?}\n[listener]\nbind = \"0.0.0.0:0\"\n[http]\nbind = \"127.0.0.1:0\"\n",
        site.data_dir()
    );
    std::fs::write(site.config_file(), open).unwrap();
    let said = refused(&site.config_file());
    assert!(said.contains("no device has a credential yet") && said.contains("orderly device add"), "{said}");
    site.add_device("bp-1", "bp_meter").unwrap();
    site.start().unwrap().stop().unwrap();
}

#[tokio::test]
async fn orders_are_carried_out_by_the_running_daemon_and_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let listed = || text(&orderly(&site, &["device", "list"]).stdout);

    let first = site.add_device("bp-1", "bp_meter").unwrap();
    assert_eq!(first.trim().len(), 32, "{first}");
    assert_eq!(listed(), "bp-1\tbp_meter\torderly-bp-1\t-\tsecret\t-\n");

    let gateway = site.start().unwrap();
    assert!(Publisher::connect(site.mqtt, "anyone").await.is_err(), "nobody comes in without a credential");
    let again = site.add_device("bp-1", "bp_meter").unwrap();
    assert_ne!(first, again, "a new secret each time");
    site.add_device("bp-2", "bp_meter").unwrap();
    let wrong = orderly(&site, &["device", "add", "x-1", "--class", "bp_meters"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        text(&wrong.stderr).contains("bp_meter"),
        "the nearest class is offered: {}",
        text(&wrong.stderr)
    );

    assert!(orderly(&site, &["device", "revoke", "bp-2"]).status.success());
    assert!(listed().contains("bp-2\tbp_meter\torderly-bp-1\t-\tsecret,revoked"), "{}", listed());
    assert!(orderly(&site, &["healthcheck"]).status.success());
    let status: serde_json::Value = serde_json::from_slice(&orderly(&site, &["status"]).stdout).unwrap();
    assert_eq!(status["site"], "main");

    assert!(orderly(&site, &["stop"]).status.success());
    gateway.stop().unwrap();
    let nobody = orderly(&site, &["status"]);
    assert!(text(&nobody.stderr).contains("no gateway runs on"), "{}", text(&nobody.stderr));

    let audited = text(&orderly(&site, &["audit", "verify"]).stdout);
    assert!(audited.starts_with("the chain is whole: 5 entries"), "the refused one too: {audited}");
    let checked = orderly(&site, &["journal", "check"]);
    assert!(text(&checked.stdout).contains(" 0 lost"), "{}", text(&checked.stdout));
    let dump = text(&orderly(&site, &["journal", "dump"]).stdout);
    assert!(!dump.contains(first.trim()) && !dump.contains(again.trim()), "a secret is never journalled");
}

#[test]
fn a_first_start_needs_no_file_and_a_stop_is_prompt_and_clean() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    for _ in 0..2 {
        let gateway = site.start().unwrap();
        assert!(gateway.stop().unwrap().success());
    }
    let log = site.log();
    assert!(!log.contains("ERROR") && !log.contains("WARN") && !log.contains("panicked"), "{log}");
    assert_eq!(log.matches("stopped").count(), 2, "{log}");
}
