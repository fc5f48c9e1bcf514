//! What the kernel says about a process, and how the disk answers.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Clock ticks a second of `/proc/*/stat`; 100 on every Linux that Orderly runs on.
const TICKS: f64 = 100.0;

fn cpu_of_stat(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / TICKS)
}

/// User plus system seconds of a process so far.
pub fn cpu_seconds(pid: u32) -> f64 {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|s| cpu_of_stat(&s)).unwrap_or(0.0)
}

/// User plus system seconds of each thread name so far.
pub fn cpu_by_thread(pid: u32) -> BTreeMap<String, f64> {
    let mut by_name = BTreeMap::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return by_name };
    for task in tasks.flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default().trim().to_owned();
        let cpu =
            fs::read_to_string(task.path().join("stat")).ok().and_then(|s| cpu_of_stat(&s)).unwrap_or(0.0);
        *by_name.entry(name).or_insert(0.0) += cpu;
    }
    by_name
}

/// A line of `/proc/PID/status` in MiB (`VmRSS`, `VmHWM`).
pub fn memory_mib(pid: u32, key: &str) -> f64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_default()
        .lines()
        .find_map(|line| {
            line.strip_prefix(key)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        })
        .map_or(0.0, |kib| kib / 1024.0)
}

/// Makes the kernel forget the process's highest memory so far.
pub fn reset_peak(pid: u32) {
    drop(fs::write(format!("/proc/{pid}/clear_refs"), "5"));
}

/// The value at a share of the sorted list; 0 for an empty one.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small length")]
    let at = ((values.len() as f64 - 1.0).max(0.0) * share).round() as usize;
    values.get(at).copied().unwrap_or(0.0)
}

/// Median milliseconds of an append of 4 KiB with fdatasync in this folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn fdatasync_ms(dir: &Path) -> std::io::Result<f64> {
    let path = dir.join("fdatasync.probe");
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = crate::flood::now();
        file.write_all(&[7u8; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(path)?;
    Ok(quantile(&mut times, 0.5))
}
