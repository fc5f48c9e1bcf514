//! What the kernel says about a process, and how the disk answers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
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

/// Milliseconds that this thread was on a processor so far.
pub fn own_cpu_ms() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
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

/// A folder of its own on the disk that the build is on; a temporary folder of the system may be in memory.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))
}

/// The load of the machine in the last minute, for whoever doubts a figure.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// How long something took: the median and the slowest of a hundred.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    /// Of these times.
    pub fn of(times: &mut [f64]) -> Self {
        Self { p50: quantile(times, 0.5), p99: quantile(times, 0.99), max: quantile(times, 1.0) }
    }

    /// The median of several, each figure by itself.
    pub fn median(all: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| quantile(&mut all.iter().map(pick).collect::<Vec<_>>(), 0.5);
        Self { p50: of(|s| s.p50), p99: of(|s| s.p99), max: of(|s| s.max) }
    }
}

/// Milliseconds of an append of 4 KiB with fdatasync: the file grows, so its length is written too.
///
/// # Errors
/// When the folder cannot be written.
pub fn append_ms(dir: &Path) -> std::io::Result<Spread> {
    synced(dir, 1, false)
}

/// Milliseconds of 4 KiB with fdatasync to so many files one after the other, into space that is there already, as
/// journal and stores do it: what a message, a commit or an order cannot do without.
///
/// # Errors
/// When the folder cannot be written.
pub fn sync_ms(dir: &Path, files: usize) -> std::io::Result<Spread> {
    synced(dir, files, true)
}

fn synced(dir: &Path, files: usize, laid_out: bool) -> std::io::Result<Spread> {
    const TIMES: usize = 200;
    let paths: Vec<_> = (0..files).map(|n| dir.join(format!("fdatasync.{n}"))).collect();
    let mut open = paths.iter().map(fs::File::create).collect::<Result<Vec<_>, _>>()?;
    for file in open.iter_mut().filter(|_| laid_out) {
        file.write_all(&vec![0u8; TIMES * 4096])?;
        file.sync_all()?;
        file.seek(SeekFrom::Start(0))?;
    }
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let started = crate::flood::now();
        for file in &mut open {
            file.write_all(&[7u8; 4096])?;
            file.sync_data()?;
        }
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    paths.iter().try_for_each(fs::remove_file)?;
    Ok(Spread::of(&mut times))
}

/// The body of a page of the daemon.
///
/// # Errors
/// When it does not answer.
pub fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
