//! Every shipped profile: its own tests pass, it has at least three, and one of them is malformed.

use std::path::{Path, PathBuf};

use orderly_core::profile::{Codec, Profile};

fn shipped() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device-profiles");
    let mut found = Vec::new();
    let classes = std::fs::read_dir(root).unwrap().map(|class| class.unwrap().path());
    for class in classes.filter(|class| class.is_dir()) {
        for file in std::fs::read_dir(class).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("rules.toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found.sort();
    found
}

#[test]
fn every_shipped_profile_passes_its_own_tests() {
    let mut classes = Vec::new();
    for (path, text) in shipped() {
        let name = path.display().to_string();
        let profile = match Profile::parse(&text, &name) {
            Ok(profile) => profile,
            Err(found) => panic!("{}", found.iter().map(|d| format!("{d}\n")).collect::<String>()),
        };
        let folder = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
        assert_eq!(folder, profile.class().as_str(), "{name}: the folder is the class");
        let file = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(file, profile.id().as_str(), "{name}: the file is named after the profile");
        assert!(profile.tests() >= 3, "{name}: {} tests", profile.tests());
        assert!(text.contains("error = \"malformed\""), "{name}: no test with a malformed payload");
        assert!(profile.every_ms().is_some(), "{name}: silence must be an event");
        assert!(
            profile.metrics().iter().all(|metric| metric.label.is_some()),
            "{name}: a metric without a label"
        );
        classes.push(profile.class().to_string());
    }
    // With those that the demonstration has.
    for class in [
        "bedside_monitor",
        "bp_meter",
        "charger",
        "cold_store",
        "drug_cabinet",
        "glucose_meter",
        "guidance_sign",
        "parking_sensor",
        "powerbank_cabinet",
        "wheelchair",
        "wheelchair_dock",
    ] {
        assert!(classes.iter().any(|known| known == class), "no profile is of the class {class}");
    }
}

#[test]
fn every_polled_metric_says_when_it_is_worth_a_record() {
    let mut polled = 0;
    for (path, text) in shipped() {
        let profile = Profile::parse(&text, &path.display().to_string()).unwrap();
        if matches!(profile.codec(), Codec::Registers(_)) {
            polled += 1;
            assert!(
                profile.metrics().iter().all(|m| m.register().is_some() && m.report.is_some()),
                "{}",
                path.display()
            );
        }
    }
    assert!(polled >= 4, "{polled} profiles are polled");
}

#[test]
fn who_says_only_its_class_gets_one_model_and_models_of_makers_say_their_document() {
    let (mut classes, mut generic) = (std::collections::BTreeSet::new(), Vec::new());
    for (path, text) in shipped() {
        let name = path.display();
        let profile = Profile::parse(&text, &name.to_string()).unwrap();
        classes.insert(profile.class().to_string());
        if profile.is_for_any_of_its_class() {
            assert_eq!(profile.vendor(), "Orderly", "{name}: a maker's model is for devices that name it");
            generic.push(profile.class().to_string());
        }
        let source = profile.source();
        assert!(
            profile.vendor() == "Orderly" || (source.version.is_some() && source.section.is_some()),
            "{name}: where do the facts come from?"
        );
    }
    assert_eq!(generic, classes.into_iter().collect::<Vec<_>>(), "one generic model for each class");
}
