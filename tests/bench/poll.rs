//! T9 and T10: what polling costs, and how many requests it takes.
//!
//! A device has 100 registers, read once a second in one request: 50 float32, of which five change at each poll; the rest
//! is told when it changes.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use orderly_tests::gateway::Site;

use crate::measure;
use crate::report::{Figure, Goal, Report};

/// Links, each a connection of its own.
const LINKS: usize = 50;
/// Registers of a device.
const REGISTERS: u16 = 100;
/// Of its 50 values so many change at each poll.
const CHANGING: u16 = 5;
/// Seconds that are measured, after as many to warm up.
const SECONDS: u64 = 15;

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    for (units, goal) in [(1, Goal::at_most(1.4, 0.7)), (20, Goal::at_most(15.0, 8.0))] {
        let devices = LINKS * units;
        let (share, requests) = polled(units)?;
        let limit = (bare(devices)?, "the same requests and no more");
        let what = format!("T9 {devices} devices x {REGISTERS} registers a second, of a core");
        report.add(Figure { what, value: share, unit: "%", limit, goal });
        let what = format!("T10 requests a poll, {devices} devices");
        let limit = (1.0, "the registers lie in a row");
        report.add(Figure { what, value: requests, unit: "", limit, goal: Goal::at_most(1.0, 1.0) });
    }
    Ok(())
}

/// Per cent of a core that the gateway takes, and requests for each device and second.
fn polled(units: usize) -> anyhow::Result<(f64, f64)> {
    let dir = measure::folder()?;
    let profiles = dir.path().join("profiles");
    std::fs::create_dir(&profiles)?;
    std::fs::write(profiles.join("meter.toml"), profile()?)?;
    let units_of = Units::start()?;
    let mut more = format!("[profiles]\ndir = {profiles:?}\n");
    for link in 0..LINKS {
        write!(more, "[modbus.l{link}]\naddress = \"127.0.0.1:{}\"\n", units_of.port)?;
        for unit in 1..=units {
            write!(
                more,
                "[[modbus.l{link}.device]]\nid = \"m-{link}-{unit}\"\nclass = \"meter\"\nunit = {unit}\nevery = \"1s\"\n"
            )?;
        }
    }
    let site = Site::new(dir.path(), &more)?;
    let gateway = site.start()?;
    thread::sleep(Duration::from_secs(SECONDS));
    let (cpu, answered) = (measure::cpu_seconds(gateway.pid()), units_of.answered());
    let begin = crate::flood::now();
    thread::sleep(Duration::from_secs(SECONDS));
    let seconds = begin.elapsed().as_secs_f64();
    let share = (measure::cpu_seconds(gateway.pid()) - cpu) / seconds * 100.0;
    let requests = (units_of.answered() - answered) as f64 / seconds / (LINKS * units) as f64;
    gateway.stop()?;
    anyhow::ensure!(requests > 0.9, "only {requests:.2} requests a device and second");
    Ok((share, requests))
}

/// Per cent of a core for as many requests a second and nothing else: written and read, one after the other.
fn bare(devices: usize) -> anyhow::Result<f64> {
    const ROUNDS: usize = 5_000;
    let units = Units::start()?;
    let mut stream = TcpStream::connect(("127.0.0.1", units.port))?;
    stream.set_nodelay(true)?;
    let mut answer = vec![0u8; 9 + 2 * usize::from(REGISTERS)];
    let cpu = measure::own_cpu_ms();
    for round in 0..ROUNDS {
        let number = u16::try_from(round)?.to_be_bytes();
        let count = REGISTERS.to_be_bytes();
        stream.write_all(&[number[0], number[1], 0, 0, 0, 6, 1, 3, 0, 0, count[0], count[1]])?;
        stream.read_exact(&mut answer)?;
    }
    Ok((measure::own_cpu_ms() - cpu) / 1e3 / ROUNDS as f64 * devices as f64 * 100.0)
}

fn profile() -> anyhow::Result<String> {
    let mut text = String::from(
        "[profile]\nid = \"bench-meter\"\nclass = \"meter\"\nvendor = \"Bench\"\nmodel = \"Meter\"\nversion = \"1\"\nschema = 1\n\
         [source]\ndocument = \"Orderly generic model\"\n[codec]\nkind = \"registers\"\n",
    );
    let (mut input, mut expect) = (String::from("holding 0 ="), String::new());
    for address in (0..REGISTERS).step_by(2) {
        write!(
            text,
            "[[metric]]\nname = \"v{address}\"\nregister = {{ kind = \"holding\", address = {address}, type = \"f32\" }}\n\
             unit = \"W\"\nreport = {{ deadband = 0 }}\n"
        )?;
        input.push_str(" 0x3F80 0");
        writeln!(expect, "v{address} = 1")?;
    }
    write!(text, "[[test]]\ninput = [\"{input}\"]\nfrom = \"constructed\"\n[test.expect]\n{expect}")?;
    Ok(text)
}

/// Units that answer every request for holding registers.
struct Units {
    port: u16,
    answered: Arc<AtomicUsize>,
}

impl Units {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let units = Self { port: listener.local_addr()?.port(), answered: Arc::default() };
        let answered = Arc::clone(&units.answered);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answered = Arc::clone(&answered);
                thread::spawn(move || answer(stream, &answered));
            }
        });
        Ok(units)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Until the other side goes. The first values change with every answer.
fn answer(mut stream: TcpStream, answered: &AtomicUsize) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut request = [0u8; 12];
    loop {
        stream.read_exact(&mut request).ok()?;
        let round = answered.fetch_add(1, Ordering::Relaxed);
        let (start, count) =
            (u16::from_be_bytes([request[8], request[9]]), u16::from_be_bytes([request[10], request[11]]));
        let mut bytes = vec![request[0], request[1], 0, 0];
        bytes.extend((3 + 2 * count).to_be_bytes());
        bytes.extend([request[6], request[7], u8::try_from(2 * count).ok()?]);
        for address in start..start + count {
            let value = if address < 2 * CHANGING { 1.0 + (round % 1_000) as f32 } else { 1.0 };
            let half = usize::from(address % 2) * 2;
            bytes.extend_from_slice(&value.to_be_bytes()[half..half + 2]);
        }
        stream.write_all(&bytes).ok()?;
    }
}
