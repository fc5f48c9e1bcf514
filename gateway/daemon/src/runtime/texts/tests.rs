use std::path::Path;

use super::*;
use crate::config::Settings;

/// A shipped profile under the site's hands: the same name, another range.
const SHIPPED: &str = include_str!("../../../../../device-profiles/cold_store/orderly-cs-1.toml");

struct Site {
    dir: tempfile::TempDir,
    settings: Settings,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.profiles.dir = Some(dir.path().to_owned());
        Self { dir, settings }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }
}

/// As the store holds it.
fn stored(texts: &Texts) -> Vec<TextRow> {
    let changes = texts.changes_from(&[]);
    changes.into_iter().map(|text| TextRow { what: text.what, text: text.text }).collect()
}

fn fridge() -> ConfigKind {
    ConfigKind::Profile("orderly-cs-1".parse().unwrap())
}

#[test]
fn a_bad_file_over_a_built_in_profile_keeps_what_was_in_force_and_not_the_built_in_one() {
    let site = Site::new();
    let own = SHIPPED.replace("range = [-40, 60]", "range = [-45, 60]");
    assert_ne!(own, SHIPPED);
    site.write("fridge.toml", &own);
    let in_force = stored(&gather(&site.settings).unwrap());
    assert!(in_force.iter().any(|row| row.what == fridge() && row.text.as_deref() == Some(&*own)));

    site.write("fridge.toml", &own.replace("range = [", "rang = ["));
    site.write("ward.toml", &SHIPPED.replace("orderly-cs-1", "ward-fridge"));
    let mut texts = gather_usable(&site.settings);
    assert!(
        texts.changes_from(&in_force).iter().any(|text| text.what == fridge()),
        "or it would mean nothing"
    );
    texts.keep(&in_force);
    let changes: Vec<_> = texts.changes_from(&in_force).into_iter().map(|text| text.what).collect();
    assert_eq!(changes, [ConfigKind::Profile("ward-fridge".parse().unwrap())], "the rest applies");
    let [trouble] = &texts.troubles()[..] else { panic!("one file is broken") };
    assert!(trouble.contains("fridge.toml:") && trouble.contains("did you mean \"range\"?"), "{trouble}");

    site.write("fridge.toml", &own);
    assert_eq!(gather(&site.settings).unwrap().changes_from(&in_force).len(), 1, "only the other file");
}

#[test]
fn while_a_file_cannot_be_read_nothing_goes_and_nothing_built_in_comes() {
    let site = Site::new();
    site.write("a.toml", &SHIPPED.replace("orderly-cs-1", "a"));
    site.write("fridge.toml", &SHIPPED.replace("range = [-40, 60]", "range = [-45, 60]"));
    let in_force = stored(&gather(&site.settings).unwrap());
    std::fs::remove_file(site.dir.path().join("a.toml")).unwrap();
    std::fs::remove_file(site.dir.path().join("fridge.toml")).unwrap();
    site.write("c.toml", "= what is this");
    let mut texts = gather_usable(&site.settings);
    texts.keep(&in_force);
    assert_eq!(texts.changes_from(&in_force), []);
    std::fs::remove_file(site.dir.path().join("c.toml")).unwrap();
    let gone = gather(&site.settings).unwrap().changes_from(&in_force);
    let shown: Vec<_> = gone.iter().map(|text| (&text.what, text.text.as_deref())).collect();
    assert_eq!(shown, [(&fridge(), Some(SHIPPED)), (&ConfigKind::Profile("a".parse().unwrap()), None),]);
}

#[test]
fn a_rule_that_stands_in_two_files_is_told_at_its_place() {
    let site = Site::new();
    let shipped = include_str!("../../../../../device-profiles/bp_meter/rules.toml");
    site.write("mine.toml", shipped);
    let texts = gather_usable(&site.settings);
    let [trouble] = &texts.troubles()[..] else { panic!("{:?}", texts.troubles()) };
    let line = shipped.lines().position(|line| line == "id = \"bp-extreme\"").unwrap() + 1;
    assert!(
        trouble.ends_with(&format!(
            "mine.toml:{line}:1: rule.id: the rule \"bp-extreme\" is already in the rules \"bp_meter\" \
             (to replace those rules, call the file bp_meter.toml)"
        )),
        "{trouble}"
    );
    assert!(texts.rules.contains_key("bp_meter"), "the shipped rules stay");
    std::fs::rename(site.dir.path().join("mine.toml"), site.dir.path().join("bp_meter.toml")).unwrap();
    assert!(gather(&site.settings).is_ok());
}

#[test]
fn a_look_sees_every_change_of_a_file() {
    let site = Site::new();
    let mut last = Look::at(&site.settings);
    let mut changed = || {
        let look = Look::at(&site.settings);
        let changed = look != last;
        last = look;
        changed
    };
    assert!(!changed());
    let change = |what: &dyn Fn(&Path)| what(&site.dir.path().join("a.toml"));
    change(&|file| std::fs::write(file, "a = 1").unwrap());
    assert!(changed());
    // The same length, in the same moment or not: a file put in its place is another file.
    change(&|file| {
        std::fs::write(file.with_extension("new"), "a = 2").unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    });
    assert!(changed());
    assert!(!changed());
    change(&|file| std::fs::remove_file(file).unwrap());
    assert!(changed());
    change(&|file| std::fs::write(file.with_extension("md"), "not a profile").unwrap());
    assert!(!changed());
}

/// A site with overlays beside its settings file.
fn with_overlay(name: &str, text: &str) -> Site {
    let mut site = Site::new();
    site.settings.profiles.dir = None;
    site.settings.beside = Some(site.dir.path().to_owned());
    let folder = site.dir.path().join("device-profiles.d");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
    site
}

const COLDER: &str = "profile = \"orderly-cs-1\"\n[[metric]]\nname = \"temp\"\nrange = [-30, 30]\n";

#[test]
fn overlays_beside_the_settings_change_parameters_and_nothing_else() {
    let site = with_overlay("a.toml", COLDER);
    let looked = Look::at(&site.settings);
    let rules = "rules = \"bp_meter\"\n[[rule]]\nid = \"bp-extreme\"\nfor = \"10min\"\n";
    std::fs::write(site.dir.path().join("device-profiles.d/b.toml"), rules).unwrap();
    assert_ne!(Look::at(&site.settings), looked, "a reload sees them");
    let plain = stored(&gather(&Settings::default()).unwrap());
    let texts = gather(&site.settings).unwrap();
    let changes = texts.changes_from(&plain);
    let changed: Vec<_> = changes.iter().map(|text| &text.what).collect();
    assert_eq!(changed, [&fridge(), &ConfigKind::Rule("bp_meter".parse().unwrap())]);
    let text = changes[0].text.as_deref().unwrap();
    assert!(text.starts_with(SHIPPED) && text.ends_with(COLDER), "{text}");
    let (_, profile) = &texts.profiles["orderly-cs-1"];
    assert_eq!(&**profile.text(), text, "the record and who reads beside the engine have the same");
}

#[test]
fn a_bad_overlay_keeps_what_was_in_force_with_it() {
    let site = with_overlay("a.toml", COLDER);
    let in_force = stored(&gather(&site.settings).unwrap());
    let file = site.dir.path().join("device-profiles.d/a.toml");
    for (bad, told) in [
        (
            COLDER.replace("range", "rang"),
            "a.toml:4:1: metric[0].rang: unknown key \"rang\" (did you mean \"range\"?)",
        ),
        (
            COLDER.replace("-cs-1", "-cs-2"),
            "a.toml:1:11: profile: there is no profile \"orderly-cs-2\" (did you mean \"orderly-cs-1\"?)",
        ),
        ("=".to_owned(), "a.toml:1:1: "),
    ] {
        std::fs::write(&file, bad).unwrap();
        let mut texts = gather_usable(&site.settings);
        let [trouble] = &texts.troubles()[..] else { panic!("{:?}", texts.troubles()) };
        assert!(trouble.contains(told), "{trouble}");
        texts.keep(&in_force);
        assert_eq!(texts.changes_from(&in_force), [], "{told}");
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        gather(&site.settings).unwrap().changes_from(&in_force).len(),
        1,
        "without it the shipped one is back"
    );
}
