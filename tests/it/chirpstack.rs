//! The public ChirpStack device profiles, when their folder is at hand: their codecs hold their own test cases here.

use std::path::Path;

use orderly::import::chirpstack;

/// Names the folder with `vendors` in it.
const FOLDER: &str = "ORDERLY_CHIRPSTACK_PROFILES";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the folder is not ours to keep, so whoever runs the test names it"
)]
fn the_public_codecs_hold_their_own_cases() {
    let Ok(folder) = std::env::var(FOLDER) else {
        println!("not run: {FOLDER} names no folder of the public ChirpStack device profiles");
        return;
    };
    let class = "lorawan".parse().expect("it is a name");
    let imported = chirpstack(Path::new(&folder), None, &class).expect("the folder can be read");
    for (name, why) in &imported.failing {
        println!("does not hold {name}: {why}");
    }
    for (name, why) in &imported.left {
        println!("left out {name}: {why}");
    }
    let cases = imported.holding + imported.failing.len();
    println!("{} of {cases} cases hold, {} profiles", imported.holding, imported.written.len());
    assert!(cases > 0, "there is no case in {folder}");
    assert!(imported.holding * 342 >= cases * 340, "fewer than 340 of 342 hold");
}
