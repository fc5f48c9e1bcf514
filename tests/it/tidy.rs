//! Rules of this repository, as tests: who may use whom, how long a file may be, what must not stand in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every file that git tracks and that ends like this.
fn tracked(endings: &[&str]) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let mut files: Vec<PathBuf> = String::from_utf8(output.stdout)
        .expect("names are UTF-8")
        .lines()
        .filter(|name| endings.iter().any(|ending| name.ends_with(ending)))
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no file ends with {endings:?}");
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The lines of a Rust file without its `#[cfg(test)]` part and without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn files_stay_short() {
    let mut lengths: Vec<(usize, PathBuf)> =
        tracked(&[".rs", ".ts", ".tsx"]).into_iter().map(|p| (read(&p).lines().count(), p)).collect();
    lengths.sort();
    let longest = lengths.last().expect("there are files");
    assert!(longest.0 <= 800, "{} has {} lines; the bar is 800", longest.1.display(), longest.0);
    let short = lengths.iter().filter(|(n, _)| *n < 500).count();
    assert!(short * 10 >= lengths.len() * 9, "fewer than 90 % of the files are under 500 lines");
    let median = lengths[lengths.len() / 2].0;
    println!("{} files, median {median}, longest {}", lengths.len(), longest.0);
    assert!(median <= 200, "the median file has {median} lines; the bar is 200");
}

/// Inside core a room uses only rooms of its own rank or below (DESIGN section 2).
const CORE_RANKS: &[(&str, u8)] = &[
    ("ids", 0),
    ("time", 0),
    ("value", 0),
    ("unit", 0),
    ("diagnostic", 0),
    ("duration", 0),
    ("overlay", 0),
    ("inventory", 1),
    ("registry", 1),
    ("reading", 1),
    ("sealed", 1),
    ("wire", 1),
    ("record", 1),
    ("topic", 2),
    ("codec", 2),
    ("expr", 2),
    ("profile", 3),
    ("alert", 4),
    ("command", 4),
    ("task", 4),
    ("output", 4),
    ("dedupe", 4),
    ("redecode", 4),
    ("refusal", 5),
    ("twin", 5),
    ("rule", 5),
    ("worklist", 5),
    ("assets", 5),
    ("engine", 6),
];

#[test]
fn core_rooms_depend_one_way() {
    let ranks: BTreeMap<&str, u8> = CORE_RANKS.iter().copied().collect();
    for path in tracked(&[".rs"]).into_iter().filter(|p| p.starts_with("gateway/core/src")) {
        let inner = path.strip_prefix("gateway/core/src").expect("it is inside");
        let room = inner.iter().next().and_then(|n| n.to_str()).unwrap_or_default().trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let rank = *ranks
            .get(room)
            .unwrap_or_else(|| panic!("{}: give the room a rank in this test", path.display()));
        let text = read(&path);
        for (n, line) in code_lines(&text) {
            for used in line.split("crate::").skip(1) {
                let used: String =
                    used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let Some(used_rank) = ranks.get(used.as_str()) else { continue };
                assert!(*used_rank <= rank, "{}:{n}: `{room}` must not use `{used}`", path.display());
            }
        }
    }
}

/// What must not be named in which folder (DESIGN section 2, one-way dependence).
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("gateway/core/src", &["tokio", "std::fs", "std::net", "rusqlite"], "core decides and touches nothing"),
    ("gateway/store/src", &["tokio", "axum", "reqwest"], "store blocks and knows no network"),
    (
        "gateway/daemon/src/sources",
        &["crate::sinks", "crate::api", "crate::runtime"],
        "a source knows no sink",
    ),
    (
        "gateway/daemon/src/sinks",
        &["crate::sources", "crate::api", "crate::runtime"],
        "a sink knows no source",
    ),
    (
        "gateway/daemon/src/api",
        &["crate::sources", "crate::sinks", "crate::runtime"],
        "the API knows neither",
    ),
    (
        "gateway/daemon/src/notify",
        &["crate::sources", "crate::api", "crate::runtime"],
        "a notifier only sends",
    ),
];

#[test]
fn rooms_keep_their_distance() {
    for path in tracked(&[".rs"]) {
        let text = read(&path);
        for (folder, names, why) in FORBIDDEN {
            if !path.starts_with(folder) {
                continue;
            }
            for (n, line) in code_lines(&text) {
                for name in *names {
                    let found = line.match_indices(name).any(|(at, _)| {
                        let after = line[at + name.len()..].chars().next();
                        let before = line[..at].chars().next_back();
                        !after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                            && !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                    });
                    assert!(!found, "{}:{n}: names {name}: {why}", path.display());
                }
            }
        }
    }
}

#[test]
fn no_left_over_marks_and_no_machine_paths() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "wt"), concat!("/ho", "me/")];
    for path in tracked(&[".rs", ".ts", ".tsx", ".toml", ".md", ".sh", ".css", ".html", "Makefile"]) {
        let text = read(&path);
        for (n, line) in text.lines().enumerate() {
            for mark in marks {
                let found = line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == mark);
                assert!(!found, "{}:{}: has a {mark}", path.display(), n + 1);
            }
            for machine in paths {
                assert!(!line.contains(machine), "{}:{}: names a path of a machine", path.display(), n + 1);
            }
        }
    }
}

#[test]
fn the_readmes_show_the_two_commands() {
    for name in ["README.md", "README.zh-CN.md"] {
        let text = read(Path::new(name));
        for command in ["make demo", "make test"] {
            assert!(text.contains(command), "{name} does not show `{command}`");
        }
    }
    let makefile = read(Path::new("Makefile"));
    for target in ["demo:", "test:", "test-long:", "web:", "bench:", "dist:"] {
        assert!(makefile.lines().any(|line| line.starts_with(target)), "Makefile has no target {target}");
    }
    assert!(read(Path::new(".ci/run")).contains("make test"));
}

#[test]
fn the_tree_of_packages_stays_small() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--package",
            "orderly",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let packages: std::collections::BTreeSet<&str> =
        text.lines().map(|line| line.split(" (").next().unwrap_or(line)).filter(|l| !l.is_empty()).collect();
    println!("{} packages", packages.len());
    assert!(packages.len() <= 420, "{} packages; the bar is 420", packages.len());
}

/// What is fuzzed is what is shipped: the lock of the fuzzer, which is a workspace of its own, has the same packages,
/// and our own crates need the same there, but for what only their tests need.
#[test]
fn the_fuzzer_is_built_from_the_packages_that_are_shipped() {
    let remedy =
        "so `make fuzz` stops: copy Cargo.lock to tests/fuzz, run `cargo generate-lockfile --offline` there";
    let shipped = locked("Cargo.lock");
    let own = ["orderly-fuzz", "libfuzzer-sys", "arbitrary", "cap"];
    let fuzzed: Vec<_> =
        locked("tests/fuzz/Cargo.lock").into_iter().filter(|(name, ..)| !own.contains(&&**name)).collect();
    assert!(fuzzed.len() > 300, "{} packages", fuzzed.len());
    for (name, version, needs) in &fuzzed {
        let same = shipped.iter().find(|(other, number, _)| (other, number) == (name, version));
        let Some((.., all)) = same else { panic!("Cargo.lock has no {name} {version}, {remedy}") };
        let folder = match name.as_str() {
            "orderly" => "gateway/daemon",
            "orderly-core" => "gateway/core",
            "orderly-store" => "gateway/store",
            "orderly-tests" => "tests",
            _ => continue,
        };
        let manifest: toml::Table = read(&Path::new(folder).join("Cargo.toml")).parse().expect("a manifest");
        let for_tests = manifest.get("dev-dependencies").and_then(|table| table.as_table());
        for need in all.iter().filter(|need| !for_tests.is_some_and(|table| table.contains_key(*need))) {
            assert!(
                needs.contains(need),
                "{name} needs {need}, which tests/fuzz/Cargo.lock does not know, {remedy}"
            );
        }
    }
}

/// The packages of a lock file: name, version, the names of what each needs.
fn locked(file: &str) -> Vec<(String, String, Vec<String>)> {
    let lock: toml::Table = read(Path::new(file)).parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let text = |package: &toml::Value, key: &str| package[key].as_str().expect("a text").to_owned();
    let needs = |package: &toml::Value| -> Vec<String> {
        let list = package.get("dependencies").and_then(|list| list.as_array());
        let names = list.into_iter().flatten().filter_map(|need| need.as_str()?.split(' ').next());
        names.map(str::to_owned).collect()
    };
    let packages = lock["package"].as_array().expect("packages").iter();
    packages.map(|package| (text(package, "name"), text(package, "version"), needs(package))).collect()
}
