//! Has the daemon built again when the built boards change. It runs no npm: `make web` builds them.

fn main() {
    println!("cargo::rerun-if-changed=../../dashboards/web/dist");
}
