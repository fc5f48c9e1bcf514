//! Modbus units of others: servers made of pymodbus and of libmodbus (tests/peers), which know nothing of our code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::broker::Running;
use crate::gateway::free_port;

/// The unit that answers.
pub const UNIT: u8 = 1;
/// The unit that says nothing.
pub const SILENT: u8 = 99;
/// A read that begins so many holding registers further on is answered with that exception.
pub const EXCEPTIONS: u16 = 60_000;

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Peer {
    /// Host and port, or the path of its serial port.
    pub address: String,
    log: PathBuf,
    _running: Running,
}

/// A request as the server saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Unit number.
    pub unit: u8,
    /// Function code.
    pub function: u8,
    /// First address.
    pub start: u16,
    /// How many.
    pub count: u16,
}

/// A Python that has pymodbus, or `None` with a printed reason.
#[must_use]
pub fn find_pymodbus() -> Option<&'static str> {
    let has = |python: &&&str| {
        let asked =
            Command::new(python).args(["-c", "import pymodbus.server"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let found = ["/usr/bin/python3", "python3"].iter().find(has).copied();
    if found.is_none() {
        eprintln!("skipped: pymodbus is not installed (tests/scripts/install.sh does it)");
    }
    found
}

/// Whether libmodbus is there, or not, with a printed reason.
#[must_use]
pub fn find_libmodbus() -> bool {
    let found = ["/usr/include", "/usr/local/include"]
        .iter()
        .any(|include| Path::new(include).join("modbus/modbus.h").is_file());
    if !found {
        eprintln!("skipped: libmodbus is not installed (tests/scripts/install.sh does it)");
    }
    found
}

impl Peer {
    /// A pymodbus server over TCP; each point is a line of table, address, type, order and value.
    ///
    /// # Errors
    /// When it does not start.
    pub fn pymodbus(dir: &Path, points: &[String]) -> anyhow::Result<Self> {
        let python = find_pymodbus().context("pymodbus is not installed")?;
        let port = free_port()?;
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/pymodbus_server.py")).arg(port.to_string());
        let log = dir.join("pymodbus.log");
        let running = Running::start(command.arg(written(dir, points)?), &log, port)?;
        Ok(Self { address: format!("127.0.0.1:{port}"), log, _running: running })
    }

    /// A libmodbus server over TCP.
    ///
    /// # Errors
    /// When it cannot be compiled or does not start.
    pub fn libmodbus(dir: &Path, points: &[String]) -> anyhow::Result<Self> {
        let port = free_port()?;
        Self::of_c(dir, ["tcp", &port.to_string()], points, format!("127.0.0.1:{port}"))
    }

    /// A libmodbus server on a serial port.
    ///
    /// # Errors
    /// When it cannot be compiled or does not start.
    pub fn libmodbus_serial(dir: &Path, port: &str, points: &[String]) -> anyhow::Result<Self> {
        Self::of_c(dir, ["rtu", port], points, port.to_owned())
    }

    fn of_c(dir: &Path, how: [&str; 2], points: &[String], address: String) -> anyhow::Result<Self> {
        let program = dir.join("libmodbus_server");
        let done = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-isystem", "/usr/include/modbus", "-o"])
            .arg(&program)
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libmodbus_server.c"), "-lmodbus"])
            .output()
            .context("a C compiler is needed (cc)")?;
        ensure!(done.status.success(), "cc: {}", String::from_utf8_lossy(&done.stderr));
        let log = dir.join("libmodbus.log");
        let mut command = Command::new(program);
        let running = Running::start_saying(command.args(how).arg(written(dir, points)?), &log, "ready")?;
        Ok(Self { address, log, _running: running })
    }

    /// The requests that it has seen, in order.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn requests(&self) -> anyhow::Result<Vec<Request>> {
        let log = fs::read_to_string(&self.log)?;
        Ok(log.lines().filter_map(request).collect())
    }
}

/// A line of four numbers.
fn request(line: &str) -> Option<Request> {
    let mut numbers = line.split(' ');
    let request = Request {
        unit: numbers.next()?.parse().ok()?,
        function: numbers.next()?.parse().ok()?,
        start: numbers.next()?.parse().ok()?,
        count: numbers.next()?.parse().ok()?,
    };
    numbers.next().is_none().then_some(request)
}

fn written(dir: &Path, points: &[String]) -> anyhow::Result<PathBuf> {
    let path = dir.join("points");
    fs::write(&path, points.join("\n") + "\n")?;
    Ok(path)
}
