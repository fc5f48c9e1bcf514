//! `orderly replay`: the real binary, tracks in, the history of zones out.

use std::process::Command;

use orderly_tests::gateway::binary;
use serde_json::{Value, json};

const READERS: &str = "\
reader,zone,floor,kind,offset_db
r-hall,hall,1,room,
r-lift,lift,1,passage,
r-upper,ward-2,2,room,1.5
r-gate,gate,1,exit,
r-bad,ward-2,second,room,
";

fn heard(second: i64, reader: &str, rssi: i64) -> String {
    let time = format!("2026-11-21T08:{:02}:{:02}+08:00", second / 60, second % 60);
    json!({"reader": reader, "tag": "chair-7", "rssi": rssi, "time": time, "moving": true}).to_string()
}

#[test]
fn a_chair_goes_up_by_the_lift_and_leaves_by_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = vec!["{\"reader\":".to_owned(), heard(0, "r-nobody", -50)];
    lines.extend((0..30).map(|second| heard(second, "r-hall", -60)));
    lines.extend((30..40).map(|second| heard(second, "r-lift", -50)));
    lines.extend((40..90).map(|second| heard(second, "r-upper", -62)));
    // A line of the lift's reader comes three seconds late: it is put where it belongs.
    lines.swap(45, 48);
    lines.extend((90..95).map(|second| heard(second, "r-gate", -55)));
    std::fs::write(dir.path().join("track.jsonl"), lines.join("\n")).unwrap();
    std::fs::write(dir.path().join("readers.csv"), READERS).unwrap();
    let run = |readers: &str| {
        let mut command = Command::new(binary().unwrap());
        command.current_dir(dir.path()).args(["--lang", "en", "replay", "track.jsonl", "--readers", readers]);
        command.output().unwrap()
    };
    let output = run("readers.csv");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<(&str, &str)> =
        lines.iter().filter_map(|line| Some((line["change"].as_str()?, line["zone"].as_str()?))).collect();
    assert_eq!(steps, [("seen", "hall"), ("moved", "lift"), ("moved", "ward-2"), ("left", "gate")], "{text}");
    let wrong: Vec<&Value> = lines.iter().filter(|line| line.get("error").is_some()).collect();
    assert!(wrong.len() == 1 && wrong[0]["line"] == 1, "{text}");
    let left = lines.iter().find(|line| line["change"] == "left").unwrap();
    assert_eq!(left["since"], "2026-11-21T00:01:31.000Z");
    assert!(errors.contains("line 6: column floor: \"second\" is no floor"), "{errors}");
    assert!(errors.contains("97 lines") && errors.contains("1 of unknown readers"), "{errors}");

    let output = run("nobody.csv");
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("nobody.csv"));
}
