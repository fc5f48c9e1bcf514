//! Holds, flushes, stragglers and clears, as DESIGN section 3 ("Time.") tells them.

use super::bench::Bench;

#[test]
fn without_a_hold_it_fires_at_once() {
    let mut bench = Bench::fridge();
    bench.at(1_000).temp("f1", 900, 13.0);
    assert_eq!(bench.steps(), ["fired warm-now@900"]);
    bench.at(2_000).temp("f1", 1_900, 5.0);
    assert_eq!(bench.steps()[1..], ["cleared warm-now@1900"]);
}
