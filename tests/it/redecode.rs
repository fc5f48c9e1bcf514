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

const SECOND_VERSION: &str = r#"
[[variant]]
firmware = ">=2.0"
[[variant.metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 0.1
range = [-40, 60]
[[variant.test]]
input = '{"temp":52}'
from = "constructed"
[variant.test.expect]
temp = 5.2
"#;

#[tokio::test]
async fn each_message_is_read_as_its_time_had_it_with_what_the_site_has_laid_over() {
    let dir = tempfile::tempdir().unwrap();
    let profiles = dir.path().join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    let text = format!("{PROFILE}{SECOND_VERSION}");
    std::fs::write(profiles.join("lab-1.toml"), &text).unwrap();
    let overlays = dir.path().join("device-profiles.d");
    std::fs::create_dir(&overlays).unwrap();
    let colder = "profile = \"lab-1\"\n[[metric]]\nname = \"temp\"\nrange = [-40, 8]\n";
    std::fs::write(overlays.join("colder.toml"), colder).unwrap();
    let site = Site::new(dir.path(), &format!("[profiles]\ndir = {profiles:?}\n")).unwrap();
    let gateway = site.start().unwrap();
    let http = client().unwrap();
    let orderly = |arguments: &[&str]| {
        let mut command = Command::new(binary().unwrap());
        command.args(arguments).arg("--config").arg(site.config_file()).env("LANG", "C.UTF-8");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = dir.path().join("list.csv");
    for (firmware, class, body) in [
        ("1.0", "lab_fridge", r#"{"temp":5}"#),
        ("2.0", "lab_fridge", r#"{"temp":52}"#),
        // Beyond what the site has laid over it, within what the profile says.
        ("2.0", "lab_fridge", r#"{"temp":95}"#),
        ("2.0", "cold_store", r#"{"temp":5}"#),
        ("2.0", "lab_fridge", r#"{"t":5}"#),
    ] {
        let line = format!("device,class,profile,firmware\nf-1,lab_fridge,lab-1,{firmware}\n");
        std::fs::write(&list, line).unwrap();
        orderly(&["device", "import", list.to_str().unwrap()]);
        let url = site.url(&format!("/ingest/v1/main/{class}/f-1/reading"));
        let request = http.post(url).header("Content-Type", "application/json").body(body);
        assert!(request.send().await.unwrap().status().is_success());
    }
    orderly_tests::drained::wait(&site, Duration::from_secs(60)).await.unwrap();
    let quarantine = site.get("/api/v1/quarantine").await.unwrap();
    let codes: Vec<_> = quarantine["items"].as_array().unwrap().iter().map(|item| &item["code"]).collect();
    assert_eq!(codes, ["bad_field", "wrong_class"]);

    let file = dir.path().join("again.toml");
    let redecode = |text: &str| {
        std::fs::write(&file, text).unwrap();
        orderly(&["redecode", file.to_str().unwrap(), "--examples", "1"])
    };
    let said = redecode(&text);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "lab-1: 5 messages of 1 devices");
    let counts =
        "  3 stay, 0 would change, 0 would be refused; of those in quarantine 0 could be read and 1 not;";
    assert!(lines[1].starts_with(counts), "{said}");
    assert_eq!(lines[2], "  1 more in quarantine are there for wrong_class, which no profile changes");
    assert_eq!((lines[3], lines.len()), ("nothing would change", 4));
    // What is changed for the second version alone is not taken for what the first one said.
    let said = redecode(&text.replace("scale = 0.1", "scale = 0.01").replace("temp = 5.2", "temp = 0.52"));
    assert!(said.contains("  temp: 2 changed, 0 new, 0 gone, 1 the same\n"), "{said}");
    assert!(said.contains(": 5.2 Cel -> 0.52 Cel\n"), "{said}");
    gateway.stop().unwrap();
}
