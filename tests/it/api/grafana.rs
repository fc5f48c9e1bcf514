//! The Grafana dashboards name figures that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, plain): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let fits = plain.into_iter().filter(|path| path.to_string_lossy().ends_with(ending));
    fits.chain(folders.iter().flat_map(|folder| files(folder, ending))).collect()
}

fn dashboard(name: &str) -> Json {
    let text = std::fs::read_to_string(root().join("dashboards/grafana").join(name)).expect("a dashboard");
    serde_json::from_str(&text).expect("JSON")
}

/// Every query of every panel.
fn queries(dashboard: &Json) -> Vec<String> {
    let targets =
        dashboard["panels"].as_array().expect("panels").iter().flat_map(|panel| panel["targets"].as_array());
    let text = |target: &Json| target["expr"].as_str().or(target["query"].as_str()).map(str::to_owned);
    targets.flatten().map(|target| text(target).expect("a query")).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// `<class>_<metric>` of all shipped profiles, and the pairs apart.
fn shipped_fields() -> BTreeSet<(String, String)> {
    let profiles = files(&root().join("device-profiles"), ".toml");
    let mut fields = BTreeSet::new();
    for path in &profiles {
        let text = std::fs::read_to_string(path).expect("a profile");
        let profile: toml::Table = text.parse().expect("TOML");
        // Beside the profiles of a class lie its rules.
        if !profile.contains_key("profile") {
            continue;
        }
        let class = profile["profile"]["class"].as_str().expect("a class").to_owned();
        for metric in profile["metric"].as_array().expect("metrics") {
            fields.insert((class.clone(), metric["name"].as_str().expect("a name").to_owned()));
        }
    }
    assert!(fields.len() > 60, "only {} fields found", fields.len());
    fields
}

#[test]
fn the_gateway_dashboard_names_figures_that_the_daemon_gives() {
    let sources: String = files(&root().join("gateway/daemon/src"), ".rs")
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a source file"))
        .collect();
    let queries = queries(&dashboard("gateway.json"));
    let names: BTreeSet<_> =
        queries.iter().flat_map(|q| words(q)).filter(|w| w.starts_with("orderly_")).collect();
    assert!(names.len() >= 20, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !sources.contains(&format!("\"{name}\""))).collect();
    assert!(missing.is_empty(), "not given by the daemon: {missing:?}");
}

#[test]
fn the_vitals_dashboards_name_fields_of_shipped_profiles() {
    let fields = shipped_fields();
    let joined: BTreeSet<_> = fields.iter().map(|(class, metric)| format!("{class}_{metric}")).collect();
    let on_victoria = queries(&dashboard("vitals-victoriametrics.json"));
    for query in &on_victoria {
        let name = words(query).next().expect("a name");
        assert!(joined.contains(name), "{query}");
    }
    let on_influx = queries(&dashboard("vitals-influxdb.json"));
    for query in &on_influx {
        let quoted: Vec<_> = query.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let [field, class, ..] = quoted.as_slice() else { panic!("no field and class in {query}") };
        assert!(fields.contains(&(class.clone(), field.clone())), "{query}");
    }
    assert_eq!(on_victoria.len(), on_influx.len());
    assert!(on_influx.len() >= 10);
}

#[test]
fn every_dashboard_can_be_imported() {
    let mut uids = BTreeSet::new();
    for path in files(&root().join("dashboards/grafana"), ".json") {
        let board = dashboard(path.file_name().and_then(|n| n.to_str()).expect("a name"));
        assert!(uids.insert(board["uid"].as_str().expect("a uid").to_owned()));
        let ids: BTreeSet<_> =
            board["panels"].as_array().expect("panels").iter().map(|p| p["id"].as_u64()).collect();
        assert_eq!(ids.len(), board["panels"].as_array().map_or(0, Vec::len), "panel ids differ");
        assert_eq!(board["templating"]["list"][0]["name"], "source");
    }
    assert_eq!(uids.len(), 3);
}
