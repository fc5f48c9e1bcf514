//! The settings in layers, good and broken.

use super::layers::Layer;
use super::*;

fn layer(name: &str, text: &str) -> Layer {
    Layer { name: name.to_owned(), text: text.into() }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// `key: message | hint`, one line for each problem.
fn said(result: Result<Loaded, Vec<Problem>>) -> Vec<String> {
    let problems = result.err().unwrap_or_default();
    problems.iter().map(|p| format!("{p} | {}", p.hint.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn the_text_that_is_compiled_in_says_what_the_code_does() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("orderly.toml");
    std::fs::write(&empty, "").unwrap();
    let read = Loaded::read(Some(&empty), &[]).unwrap().settings;
    assert_eq!(read, Settings { beside: Some(dir.path().to_owned()), ..Settings::default() });
}

#[test]
fn examples_in_the_compiled_in_text_are_settings_too() {
    let text = include_str!("../../default.toml");
    let woken: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") && !rest.contains(". ") => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let loaded = Loaded::from_layers(vec![layer("examples", &woken)]).unwrap();
    assert_eq!(loaded.settings.modbus["pharmacy"].device[0].id, "fridge-01");
    assert_eq!(loaded.settings.sinks["influx"].backlog_bytes, Size(512 << 20));
    assert_eq!(
        loaded.settings.mqtt["ward"],
        MqttSettings {
            url: "mqtt://broker.hospital:1883".into(),
            username: Some("orderly".into()),
            password_file: Some("ward-password".into()),
            ca_file: Some("/etc/orderly/ca.pem".into()),
            ..MqttSettings::default()
        }
    );
}

#[test]
fn later_layers_win_and_tables_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orderly.toml");
    std::fs::write(&file, "site = \"north\"\n[sinks.vm]\nurl = \"http://a:1\"\nbucket = \"b\"\n").unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/20.toml"), "[sinks.vm]\nurl = \"http://c:3\"\n").unwrap();
    std::fs::write(dir.path().join("conf.d/10.toml"), "[sinks.vm]\nurl = \"http://b:2\"\n").unwrap();
    std::fs::write(dir.path().join("conf.d/notes.txt"), "not ours").unwrap();
    let set = environment(&[
        ("ORDERLY__LISTENER__ENABLED", "false"),
        ("ORDERLY__HTTP__BIND", "127.0.0.1:0"),
        ("ORDERLY__JOURNAL__KEEP", "3d"),
        ("PATH", "/bin"),
    ]);

    let loaded = Loaded::read(Some(&file), &set).unwrap();
    let settings = &loaded.settings;
    assert_eq!((settings.site.as_str(), settings.listener.enabled), ("north", false));
    assert_eq!((settings.http.bind.as_str(), settings.journal.keep), ("127.0.0.1:0", Span::days(3)));
    assert_eq!(
        (settings.sinks["vm"].url.as_str(), settings.sinks["vm"].bucket.as_str()),
        ("http://c:3", "b")
    );
    assert!(loaded.origin("sinks.vm.url").unwrap().ends_with("20.toml"));
    assert_eq!(loaded.origin("journal.keep").as_deref(), Some("environment"));
}

#[test]
fn every_fault_of_a_file_is_told_with_path_and_nearest_key() {
    let text = "sit = \"main\"\n[listener]\nbid = \"x\"\nmax_connections = \"many\"\n\
                [journal]\nkeep = 30\nkeep_bytes = \"20\"\n[log]\nformat = \"jsn\"\n\
                [mqtt.ward]\npassword = \"p\"\n[[modbus.a.device]]\nidd = \"x\"\n[lisener]\nbind = \"x\"\n";
    assert_eq!(
        said(Loaded::from_layers(vec![layer("a.toml", text)])),
        [
            "sit: there is no such key | did you mean `site`?",
            "listener.bid: there is no such key | did you mean `bind`?",
            "listener.max_connections: wrong kind of value: string \"many\", expected a whole number | -",
            "journal.keep: wrong kind of value: integer `30`, expected a duration in quotes, as \"30s\" | -",
            "journal.keep_bytes: \"20\" is not a size: write a whole number and one of B, KiB, MiB, GiB, as in \"20GiB\" | -",
            "log.format: unknown variant `jsn`, expected `text` or `json` | did you mean `json`?",
            "mqtt.ward.password: there is no such key | secrets are read from files: write mqtt.ward.password_file = \"…\"",
            "modbus.a.device.0.idd: there is no such key | did you mean `id`?",
            "lisener: there is no such key | did you mean `listener`?",
        ]
    );
}

#[test]
fn what_the_kinds_cannot_say_is_told_at_the_layer_that_said_it() {
    let file =
        layer("a.toml", "site = \"a/b\"\n[http]\nbind = \"0.0.0.0:8080\"\n[sinks.vm]\nbucket = \"b\"\n");
    let problems =
        Loaded::from_layers(vec![file, layer("environment", "listener.bind = \"nowhere\"\n")]).unwrap_err();
    let told: Vec<(&str, &str, &str)> =
        problems.iter().map(|p| (p.file.as_str(), p.key.as_str(), &p.text[p.at.clone().unwrap()])).collect();
    assert_eq!(
        told,
        [
            ("a.toml", "site", "site = \"a/b\""),
            ("environment", "listener.bind", "bind = \"nowhere\""),
            ("a.toml", "http.bind", "bind = \"0.0.0.0:8080\""),
            ("a.toml", "sinks.vm.url", "vm"),
        ]
    );
}

#[test]
fn broken_toml_and_missing_files_are_told_too() {
    let told = said(Loaded::from_layers(vec![layer("a.toml", "site = \n[listener\nbind = 3\n")]));
    assert!(told.len() >= 2, "{told:?}");
    let missing = Loaded::read(Some(Path::new("/no/such.toml")), &[]).unwrap_err();
    assert_eq!(missing[0].file, "/no/such.toml");
    let wrong = Loaded::read(None, &environment(&[("ORDERLY__HTTP__PORT", "1")])).unwrap_err();
    assert_eq!((wrong[0].file.as_str(), wrong[0].key.as_str()), ("environment", "http.port"));
}

#[test]
fn a_problem_is_drawn_with_its_line() {
    let problems = Loaded::from_layers(vec![layer("a.toml", "[listener]\nbid = \"x\"\n")]).unwrap_err();
    insta::assert_snapshot!(draw(&problems));
}
