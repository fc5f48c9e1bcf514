//! Where the CPU time of the daemon goes: by thread from `/proc`, by function from `perf` where that is installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use orderly_tests::gateway::signal;

use crate::measure;

/// Functions that are printed.
const TOP: usize = 12;

/// Looks at a process from now on.
#[derive(Debug)]
pub struct Profile {
    pid: u32,
    threads: BTreeMap<String, f64>,
    perf: Option<(Child, PathBuf)>,
}

impl Profile {
    /// Begins; `perf` writes into `dir`.
    pub fn begin(pid: u32, dir: &Path) -> Self {
        let data = dir.join("perf.data");
        let perf = Command::new("perf")
            .args(["record", "--quiet", "--no-buildid", "-F", "499", "-g", "-p", &pid.to_string(), "-o"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self { pid, threads: measure::cpu_by_thread(pid), perf: perf.ok().map(|child| (child, data)) }
    }

    /// Ends and prints, in seconds for a million messages.
    ///
    /// # Errors
    /// When `perf` cannot be told to end.
    pub fn print(self, what: &str, messages: usize) -> anyhow::Result<()> {
        let now = measure::cpu_by_thread(self.pid);
        let millions = messages as f64 / 1e6;
        println!("\nwhere the CPU goes, {what} (CPU s for each million messages, by thread):");
        for (name, cpu) in now {
            let spent = (cpu - self.threads.get(&name).copied().unwrap_or(0.0)) / millions;
            if spent > 0.05 {
                println!("    {name:<16} {spent:6.2}");
            }
        }
        let Some((mut child, data)) = self.perf else {
            println!("    by function: perf is not installed, so this is left out\n");
            return Ok(());
        };
        // It may have ended by itself, when the kernel does not allow it.
        if child.try_wait()?.is_none() {
            signal(child.id(), "INT")?;
        }
        child.wait()?;
        let found = functions(&data);
        if found.is_empty() {
            println!("    by function: perf was not allowed to look (kernel.perf_event_paranoid)\n");
            return Ok(());
        }
        println!("  by function, own time ([k]: in the kernel):");
        for line in found {
            println!("    {line}");
        }
        println!();
        Ok(())
    }
}

/// The functions with the most own time, as `perf report` names them.
fn functions(data: &Path) -> Vec<String> {
    let output = Command::new("perf")
        .args(["report", "--stdio", "--no-children", "--no-inline", "-g", "none", "--sort", "symbol", "-i"])
        .arg(data)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .take(TOP)
        .map(|line| line.chars().take(110).collect::<String>().trim_end().to_owned())
        .collect()
}
