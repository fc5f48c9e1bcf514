//! One target under libFuzzer; `ORDERLY_FUZZ` names it. A run may take 50 ms of processor time and 64 MiB, all in all.

#![no_main]

use std::alloc::System;
use std::sync::OnceLock;
use std::time::Duration;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use orderly_tests::fuzz::Targets;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What one run may allocate at a time, beside what was there before it.
const MOST_BYTES: usize = 64 << 20;
/// What one run may take. Other work on the machine is not counted.
const LONGEST: Duration = Duration::from_millis(50);

/// The target of this process and its name; libFuzzer offers no other place for it.
static TARGET: OnceLock<(Targets, String)> = OnceLock::new();

fuzz_target!(init: {
    let name = std::env::var("ORDERLY_FUZZ").expect("ORDERLY_FUZZ names the target");
    let targets = Targets::new();
    assert!(targets.names().contains(&name), "targets: {}", targets.names().join(" "));
    drop(TARGET.set((targets, name)));
}, |bytes: &[u8]| {
    let (targets, name) = TARGET.get().expect("set before the first run");
    MEMORY.set_limit(MEMORY.allocated() + MOST_BYTES).expect("the limit is above what is allocated");
    let before = busy();
    targets.run(name, bytes);
    let took = busy() - before;
    MEMORY.set_limit(usize::MAX).expect("there is no higher one");
    assert!(took < LONGEST, "{} bytes took {} ms", bytes.len(), took.as_millis());
});

/// Processor time of this thread.
fn busy() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
