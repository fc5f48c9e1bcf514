//! What a person reads when settings, profiles or rules are wrong: the real binary, word for word.

use std::path::Path;
use std::process::Command;

use orderly_tests::gateway::binary;

/// Runs `orderly check` in a folder that holds these files; gives exit code and what it printed.
fn check(files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut command = Command::new(binary().unwrap());
    command.current_dir(dir.path()).args(["check", "--config", "orderly.toml"]).env_clear();
    let output = command.env("LANG", "C.UTF-8").envs(variables.iter().copied()).output().unwrap();
    let code = output.status.code().unwrap_or(-1);
    format!(
        "exit {code}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn settings(text: &str) -> String {
    check(&[("orderly.toml", text)], &[])
}

#[test]
fn keys_that_are_not_known() {
    insta::assert_snapshot!(settings(
        "site = \"main\"\n\n[lisener]\nbind = \"127.0.0.1:1883\"\n\n[http]\nport = 8080\n\n[journal]\nkeep_byte = \"5GiB\"\n"
    ));
}

#[test]
fn values_of_the_wrong_kind() {
    insta::assert_snapshot!(settings(
        "[listener]\nmax_connections = \"many\"\n\n[journal]\nkeep = 30\nkeep_bytes = \"20\"\n\n[log]\nformat = \"jsn\"\n"
    ));
}

#[test]
fn a_secret_in_the_settings() {
    insta::assert_snapshot!(settings(
        "[mqtt.ward]\nurl = \"mqtt://broker:1883\"\nusername = \"orderly\"\npassword = \"hunter2\"\n"
    ));
}

#[test]
fn a_secret_beside_another_fault() {
    let said =
        settings("[mqtt.ward]\nadress = \"mqtt://broker:1883\"\npassword = \"hunter2\"\ntoken = \"hunter3\n");
    assert!(said.contains("adress") && !said.contains("hunter"), "{said}");
}

#[test]
fn a_broken_table() {
    insta::assert_snapshot!(settings("[listener\nbind = \"127.0.0.1:1883\"\n"));
}

#[test]
fn an_address_that_others_could_reach() {
    insta::assert_snapshot!(settings("[http]\nbind = \"0.0.0.0:8080\"\n"));
}

#[test]
fn a_store_without_an_address_and_a_link_with_a_wrong_one() {
    insta::assert_snapshot!(settings(
        "[sinks.vm]\nbucket = \"orderly\"\n\n[modbus.pharmacy]\naddress = \"10.0.0.7\"\n\n\
         [[modbus.pharmacy.device]]\nid = \"fridge/1\"\nclass = \"cold_store\"\nunit = 250\n"
    ));
}

#[test]
fn a_variable_that_names_no_key() {
    let variables = [("ORDERLY__LISTENER__BIDN", "127.0.0.1:1884"), ("ORDERLY__JOURNAL__KEEP", "soon")];
    insta::assert_snapshot!(check(&[("orderly.toml", "")], &variables));
}

#[test]
fn a_file_that_is_not_there() {
    insta::assert_snapshot!(check(&[], &[]));
}

#[test]
fn a_secret_file_that_cannot_be_read() {
    insta::assert_snapshot!(settings(
        "[sinks.vm]\nurl = \"http://127.0.0.1:8428\"\ntoken_file = \"no-such-file\"\n"
    ));
}

const SITE: &str = "[profiles]\ndir = \"profiles\"\n\n[rules]\ndir = \"rules\"\n";

fn with(profile: &str, rule: &str) -> String {
    let files = [("orderly.toml", SITE), ("profiles/meter.toml", profile), ("rules/site.toml", rule)];
    check(&files, &[])
}

const PROFILE: &str = r#"[profile]
id = "acme-meter"
class = "bp_meter"
vendor = "Acme"
model = "Meter"
version = "1"
schema = 1

[source]
document = "Acme manual"
version = "3"

[codec]
kind = "json"

[[metric]]
name = "sys"
path = "$.sys"
unit = "mm[Hg]"
range = [50, 280]

[[test]]
input = '{"sys":120}'
from = "constructed"
[test.expect]
sys = 120
"#;

const RULE: &str = r#"[[rule]]
id = "too-high"
class = "bp_meter"
when = "sys >= 180"
severity = "P1"
team = "chronic_care"
source = "D"
text.zh = "收缩压 {sys}"
text.en = "systolic {sys}"
[[rule.test]]
given = [{ at = "0s", values = { sys = 190 } }]
expect = ["fired 0s"]
"#;

#[test]
fn the_good_ones_of_these_tests_are_good() {
    assert_eq!(with(PROFILE, RULE).lines().next(), Some("exit 0"), "{}", with(PROFILE, RULE));
}

#[test]
fn a_profile_with_a_wrong_unit_and_a_key_that_is_not_known() {
    insta::assert_snapshot!(with(&PROFILE.replace("mm[Hg]", "mmHgg").replace("range", "rnage"), RULE));
}

#[test]
fn a_profile_without_tests_and_one_whose_test_fails() {
    let without = PROFILE.split("[[test]]").next().unwrap();
    insta::assert_snapshot!("without_tests", with(without, RULE));
    insta::assert_snapshot!("test_fails", with(&PROFILE.replace("sys = 120", "sys = 121"), RULE));
}

#[test]
fn a_rule_that_names_no_metric_of_its_class() {
    insta::assert_snapshot!(with(PROFILE, &RULE.replace("\"sys >= 180\"", "\"syst >= 180\"")));
}

#[test]
fn a_rule_that_does_not_do_what_its_test_says() {
    insta::assert_snapshot!(with(PROFILE, &RULE.replace("sys = 190", "sys = 170")));
}

#[test]
fn the_same_words_in_chinese_for_what_is_good() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orderly.toml"), "").unwrap();
    let say = |arguments: &[&str], lang: &str| {
        let mut command = Command::new(binary().unwrap());
        command.current_dir(dir.path()).args(["check", "--config", "orderly.toml"]).args(arguments);
        String::from_utf8(command.env("LC_ALL", lang).output().unwrap().stdout).unwrap()
    };
    assert!(say(&[], "zh_CN.UTF-8").starts_with("配置正确"));
    assert!(say(&["--lang", "en"], "zh_CN.UTF-8").starts_with("good"));
    assert!(Path::new(&dir.path().join("orderly.toml")).exists());
}
