//! The shipped unit keeps its sandbox.

use std::process::Command;

#[test]
fn the_unit_is_exposed_by_1_5_or_less() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: systemd-analyze is not installed (tests/scripts/install.sh does it)");
        return;
    }
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/orderly.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager", unit])
        .output()
        .expect("systemd-analyze runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let exposure = text
        .lines()
        .find_map(|line| line.split("Overall exposure level for orderly.service: ").nth(1))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok())
        .unwrap_or_else(|| panic!("no exposure in:\n{text}{}", String::from_utf8_lossy(&output.stderr)));
    println!("exposure {exposure}");
    assert!(exposure <= 1.5, "exposure {exposure} is over 1.5:\n{text}");
    assert!(output.status.success());
}
