//! Every shipped rule: it fits the shipped profiles of its class, and its own tests pass.

use std::path::Path;

use orderly_core::profile::Profile;
use orderly_core::rule::{ClassTable, RuleFile};

#[test]
fn every_class_has_rules_that_pass_their_own_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-profiles");
    let (mut profiles, mut rules) = (Vec::new(), Vec::new());
    let classes = std::fs::read_dir(&root).unwrap().map(|class| class.unwrap().path());
    for class in classes.filter(|class| class.is_dir()) {
        for file in std::fs::read_dir(class).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            if path.ends_with("rules.toml") {
                rules.push((path, text));
            } else {
                profiles.push(Profile::parse(&text, &name).unwrap());
            }
        }
    }
    let mut classes = ClassTable::new(&profiles);
    let text = std::fs::read_to_string(root.join("calendar.toml")).unwrap();
    let file = RuleFile::parse(&text, "calendar.toml", &classes).unwrap();
    classes.set_calendars("calendar", file.calendars);
    let mut ids = Vec::new();
    let mut covered = Vec::new();
    for (path, text) in rules {
        let file = match RuleFile::parse(&text, &path.display().to_string(), &classes) {
            Ok(file) => file,
            Err(found) => panic!("{}", found.iter().map(|d| format!("{d}\n")).collect::<String>()),
        };
        let folder = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap().to_owned();
        assert!(
            file.rules.iter().all(|rule| rule.class.as_str() == folder),
            "{folder}: the folder is the class"
        );
        assert!(
            text.contains("no_data = \"device\"") || folder == "cold_store",
            "{folder}: silence is an event"
        );
        ids.extend(file.rules.iter().map(|rule| rule.id.clone()));
        covered.push(folder);
    }
    let rules = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), rules, "two rules share a name");
    covered.sort();
    assert_eq!(covered, classes.names(), "a class without rules");
    println!("{rules} rules of {} classes", covered.len());
}
