//! `orderly redecode` against the real binary: a changed profile beside what was decided.

use std::process::Command;
use std::time::Duration;

use orderly_tests::gateway::{Site, binary, client};

const PROFILE: &str = r#"
[profile]
id = "lab-1"
class = "lab_fridge"
vendor = "V"
model = "M"
version = "1"
schema = 1
[source]
document = "constructed"
[codec]
kind = "json"
[[metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
range = [-40, 60]
[[metric]]
name = "door"
path = "$.door"
states = ["closed", "open"]
required = false
[[test]]
input = '{"temp":5}'
from = "constructed"
[test.expect]
temp = 5
"#;

#[tokio::test]
async fn what_a_changed_profile_would_make_of_the_journal_is_told_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let profiles = dir.path().join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    std::fs::write(profiles.join("lab-1.toml"), PROFILE).unwrap();
    let site = Site::new(dir.path(), &format!("[profiles]\ndir = {profiles:?}\n")).unwrap();
    let gateway = site.start().unwrap();
    let http = client().unwrap();
    let bodies = [
        r#"{"temp":5,"door":"open"}"#,
        r#"{"temp":9}"#,
        r#"{"temp":10.5}"#,
        r#"{"t":6}"#,
        r#"{"temp":7,"t":7}"#,
    ];
    for body in bodies {
        let url = site.url("/ingest/v1/main/lab_fridge/f-1/reading");
        let request = http.post(url).header("Content-Type", "application/json").body(body);
        assert!(request.send().await.unwrap().status().is_success());
    }
    orderly_tests::drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    let before = site.get("/api/v1/devices/f-1/readings").await.unwrap();
    assert_eq!(before["readings"].as_array().unwrap().len(), 4);

    let changed = PROFILE.replace("range = [-40, 60]", "range = [-40, 8]\nrequired = false").replace(
        "[[test]]",
        "[[metric]]\nname = \"probe\"\npath = \"$.t\"\nunit = \"Cel\"\nrequired = false\n[[test]]",
    );
    let file = dir.path().join("changed.toml");
    std::fs::write(&file, changed).unwrap();
    let redecode = |more: &[&str]| {
        let mut command = Command::new(binary().unwrap());
        command.args(["redecode", file.to_str().unwrap()]).args(more);
        let output = command.arg("--config").arg(site.config_file()).env("LANG", "C.UTF-8").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Beside the running gateway.
    let said = redecode(&["--examples", "1"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "lab-1: 5 messages of 1 devices");
    assert!(
        lines[1].starts_with(
            "  1 stay, 3 would change, 0 would be refused; of those in quarantine 1 could be read"
        ),
        "{said}"
    );
    assert_eq!(lines[2], "  probe: 0 changed, 2 new, 0 gone, 0 the same");
    assert!(lines[3].ends_with(": - -> 6 Cel"), "{said}");
    assert_eq!(lines[4], "  temp: 2 changed, 0 new, 0 gone, 2 the same");
    assert!(lines[5].ends_with(": 9 Cel -> 9 Cel, bad (out_of_range)") && lines.len() == 6, "{said}");
    assert!(redecode(&["--device", "f-2"]).contains("0 messages of 0 devices"));
    assert_eq!(site.get("/api/v1/devices/f-1/readings").await.unwrap(), before);
    gateway.stop().unwrap();

    // And without one; the profile that holds changes nothing.
    std::fs::write(&file, PROFILE).unwrap();
    let said = redecode(&[]);
    assert!(said.trim_end().ends_with("nothing would change"), "{said}");
}
