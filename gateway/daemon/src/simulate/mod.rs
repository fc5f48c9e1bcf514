//! The simulated hospital: devices of every class over real MQTT and real Modbus, and a ledger of what they did.
//!
//! What the devices do is a function of seed and time ([`Hospital`]); this file gives it a clock, connections
//! and a file. `orderly simulate` and `orderly demo` run it; tests compare what arrived with the ledger.

mod describe;
mod faults;
mod fleet;
mod frame;
mod hospital;
mod ledger;
mod modbus;
mod models;
mod obey;
mod options;
mod outgoing;
mod places;
mod publish;
mod random;
mod scene;
#[cfg(test)]
mod tests;
mod units;
mod value;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orderly_core::time::Clock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use hospital::{Changed, Hospital};
pub use ledger::Summary;
pub use options::{Faults, Options, Sizes};
pub use outgoing::{Outgoing, UnitName};
pub use places::tables;
pub use units::Registers;

use ledger::Ledger;
use obey::Heard;
use publish::{Publisher, Target};

/// A simulated hospital whose ports are open; it moves when it is run.
pub struct Simulation {
    options: Options,
    clock: Arc<dyn Clock>,
    hospital: Hospital,
    registers: modbus::Shared,
    /// What the registers hold until the first change.
    first: Vec<Changed>,
    modbus: Option<SocketAddr>,
    line: Option<PathBuf>,
    stop: CancellationToken,
}

impl Simulation {
    /// Sets the hospital up and opens the Modbus port and the serial line, if they are wanted.
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn open(options: Options, clock: Arc<dyn Clock>, stop: CancellationToken) -> io::Result<Self> {
        // The port first: who picked it a moment ago finds it still free.
        let listener = match options.modbus {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let now = clock.now().wall.0;
        let mut hospital = Hospital::new(&options, now).map_err(io::Error::other)?;
        let registers = modbus::Shared::default();
        let first = hospital.registers(now);
        for changed in &first {
            registers.set(changed.name.unit, changed.registers.clone());
        }
        let modbus =
            listener.map(|listener| modbus::serve(listener, registers.clone(), stop.clone())).transpose()?;
        let line = match options.modbus_rtu {
            true => Some(modbus::serve_line(registers.clone(), stop.clone())?),
            false => None,
        };
        Ok(Self { options, clock, hospital, registers, first, modbus, line, stop })
    }

    /// Where the Modbus server listens.
    #[must_use]
    pub const fn modbus(&self) -> Option<SocketAddr> {
        self.modbus
    }

    /// The path of the serial line, as a settings file names a port.
    #[must_use]
    pub fn line(&self) -> Option<&Path> {
        self.line.as_deref()
    }

    /// The units on the Modbus link, for the configuration of whoever polls them.
    pub fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.hospital.units()
    }

    /// The table of the devices that must be on the register before they speak.
    #[must_use]
    pub fn list(&self) -> String {
        describe::list(&self.hospital)
    }

    /// How many devices publish, and how many are polled.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        self.hospital.sizes()
    }

    /// Runs until it is stopped or its time is over.
    ///
    /// # Errors
    /// When the ledger cannot be written, or the broker's address is none.
    pub async fn run(mut self) -> io::Result<Summary> {
        let (ledger, writer) = match &self.options.ledger {
            Some(path) => {
                let (ledger, task) = Ledger::open(path).await?;
                (ledger, Some(task))
            }
            None => (Ledger::none(), None),
        };
        let (ears, mut heard) = mpsc::channel(obey::WAITING);
        let mut publishers = self.publishers(&ledger, &ears)?;
        drop(ears);
        let mut summary = self.drive(&mut publishers, &mut heard, &ledger).await;
        for publisher in publishers {
            let one = publisher.finish().await;
            summary.sent += one.sent;
            summary.acked += one.acked;
            summary.dropped += one.dropped;
        }
        drop(ledger);
        if let Some(writer) = writer {
            writer.await.map_err(io::Error::other)??;
        }
        Ok(summary)
    }

    fn publishers(&self, ledger: &Ledger, ears: &mpsc::Sender<Heard>) -> io::Result<Vec<Publisher>> {
        let Some(door) = &self.options.mqtt else { return Ok(Vec::new()) };
        let door = address(door)?;
        let broker = self.options.broker.as_deref().map(address).transpose()?;
        let start = |(number, group): (usize, &outgoing::Group)| {
            let (host, port) = broker.filter(|_| group.foreign).unwrap_or(door);
            let target = Target {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
                credentials: self.options.credentials.clone(),
                client_id: format!("sim-{}-{}", self.options.seed, group.name),
                filters: self.hospital.filters(number),
                heard: ears.clone(),
            };
            Publisher::start(target, Arc::clone(&self.clock), ledger.clone(), self.stop.clone())
        };
        Ok(self.hospital.groups().iter().enumerate().map(start).collect())
    }

    async fn drive(
        &mut self,
        publishers: &mut [Publisher],
        heard: &mut mpsc::Receiver<Heard>,
        ledger: &Ledger,
    ) -> Summary {
        let mut summary = Summary::default();
        let begun = self.clock.now().steady_ms;
        for changed in std::mem::take(&mut self.first) {
            summary.registers += 1;
            ledger.registers(&changed, self.clock.now().wall).await;
        }
        loop {
            let at = self.clock.now();
            for write in self.registers.writes() {
                self.hospital.written(write.unit, &write.register(), write.value, at.wall.0);
            }
            for message in self.hospital.messages(at.wall.0) {
                if let Some(publisher) = publishers.get_mut(message.group) {
                    publisher.send(message);
                }
            }
            for changed in self.hospital.registers(at.wall.0) {
                summary.registers += 1;
                ledger.registers(&changed, at.wall).await;
                self.registers.set(changed.name.unit, changed.registers);
            }
            let gone = at.steady_ms.saturating_sub(begun);
            let left = self.options.duration_ms.map_or(u64::MAX, |all| all.saturating_sub(gone));
            if left == 0 {
                return summary;
            }
            let wait = self.hospital.next_due().saturating_sub(self.clock.now().wall.0).clamp(1, 1_000);
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(1).min(left));
            tokio::select! {
                () = self.stop.cancelled() => return summary,
                () = tokio::time::sleep(wait) => {}
                Some(heard) = heard.recv() => {
                    if let Some(answer) = self.hospital.obey(&heard, self.clock.now().wall.0)
                        && let Some(publisher) = publishers.get_mut(answer.group)
                    {
                        publisher.send(answer);
                    }
                }
            }
        }
    }
}

/// Host and port.
fn address(text: &str) -> io::Result<(&str, u16)> {
    text.rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .ok_or_else(|| io::Error::other(format!("{text:?} is no address; write host:port")))
}

/// Opens and runs a simulated hospital until it is stopped or its time is over.
///
/// # Errors
/// When a port or the ledger cannot be opened, or the broker's address is none.
pub async fn run(options: Options, clock: Arc<dyn Clock>, stop: CancellationToken) -> io::Result<Summary> {
    Simulation::open(options, clock, stop).await?.run().await
}
