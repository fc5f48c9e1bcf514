//! The kept seeds of all that is fuzzed; `make fuzz` looks for more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use orderly_tests::fuzz::Targets;

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_target_has_seeds_and_bears_them() {
    let targets = Targets::new();
    let folders = names(&seeds());
    assert_eq!(folders, targets.names().into_iter().collect(), "a folder of seeds for each target");
    let mut runs = 0;
    for target in &folders {
        let files = names(&seeds().join(target));
        assert!(files.len() >= 2, "{target} has {} seeds", files.len());
        for file in files {
            let seed = std::fs::read(seeds().join(target).join(&file)).unwrap();
            // As it is, cut anywhere, and with each of its first bytes turned.
            for end in (0..seed.len().min(64)).chain([seed.len()]) {
                targets.run(target, &seed[..end]);
                runs += 1;
            }
            for at in 0..seed.len().min(64) {
                let mut turned = seed.clone();
                turned[at] ^= 0xFF;
                targets.run(target, &turned);
                runs += 1;
            }
        }
    }
    println!("{} targets, {runs} runs", folders.len());
}
