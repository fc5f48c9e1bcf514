//! The firmware of a device on the register says how it is read.

use super::bench::{Bench, FRIDGE};
use crate::inventory::Table;
use crate::record::{ConfigKind, Order};

/// From 2.0 on a fridge sends tenths.
const VARIANT: &str = r#"
[[variant]]
firmware = ">=2.0"
[[variant.metric]]
name = "temp"
path = "$.temp"
unit = "Cel"
scale = 0.1
range = [-40, 60]
[[variant.test]]
input = '{"temp":52}'
from = "constructed"
[variant.test.expect]
temp = 5.2
"#;

#[test]
fn the_register_the_reload_and_a_restart_each_bring_the_variant() {
    let mut bench = Bench::fridge();
    let firmware = |bench: &mut Bench, version: &str| {
        let text = format!("device,firmware\nf1,{version}\n");
        let lines = Table::open(text.as_bytes()).unwrap().map(Result::unwrap).collect();
        bench.act("firmware", Order::ImportDevices { lines, dry_run: false });
    };
    let last = |bench: &mut Bench| bench.readings().last().unwrap().values[0].value.number().unwrap();
    let fridge = || ConfigKind::Profile("fridge".parse().unwrap());
    firmware(&mut bench, "2.1");
    bench.at(1_000).temp("f1", 1_000, 50.0);
    assert_eq!(last(&mut bench), 50.0, "the profile has no variants yet");
    bench.config(fridge(), Some(&format!("{FRIDGE}{VARIANT}")));
    bench.at(2_000).temp("f1", 2_000, 50.0);
    assert_eq!(last(&mut bench), 5.0);
    bench.restore();
    bench.at(3_000).temp("f1", 3_000, 51.0);
    assert_eq!(last(&mut bench), 5.1);
    firmware(&mut bench, "1.9");
    bench.at(4_000).temp("f1", 4_000, 6.0);
    assert_eq!(last(&mut bench), 6.0, "it was put back");
    bench.register("f1", "cold_store");
    assert_eq!(
        bench.written.devices["f1"].firmware.as_ref().unwrap().as_str(),
        "1.9",
        "a new secret changes nothing"
    );
}
