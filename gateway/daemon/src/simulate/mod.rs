//! The simulated hospital: devices of every class over real MQTT and real Modbus TCP, and a ledger of what they did.
//!
//! What the devices do is a function of seed and time ([`Hospital`]); this file gives it a clock, connections
//! and a file. `orderly simulate` and `orderly demo` run it; tests compare what arrived with the ledger.

mod faults;
mod hospital;
mod ledger;
mod modbus;
mod models;
mod obey;
mod options;
mod publish;
mod random;
#[cfg(test)]
mod tests;
mod units;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orderly_core::time::Clock;
use tokio_util::sync::CancellationToken;

pub use hospital::{Hospital, Outgoing, UnitName};
pub use ledger::Summary;
pub use options::{Faults, Options, Sizes};
pub use units::Registers;

use ledger::Ledger;
use publish::{Publisher, Target};

/// A simulated hospital whose ports are open; it moves when it is run.
pub struct Simulation {
    options: Options,
    clock: Arc<dyn Clock>,
    hospital: Hospital,
    registers: modbus::Shared,
    modbus: Option<SocketAddr>,
    stop: CancellationToken,
}

impl Simulation {
    /// Sets the hospital up and opens the Modbus port, if one is wanted.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn open(options: Options, clock: Arc<dyn Clock>, stop: CancellationToken) -> io::Result<Self> {
        let now = clock.now().wall.0;
        let mut hospital = Hospital::new(&options, now);
        let registers = modbus::Shared::default();
        for (name, values) in hospital.registers(now) {
            registers.set(name.unit, values);
        }
        let modbus = match options.modbus {
            Some(address) => Some(modbus::serve(address, registers.clone(), stop.clone()).await?),
            None => None,
        };
        Ok(Self { options, clock, hospital, registers, modbus, stop })
    }

    /// Where the Modbus server listens.
    #[must_use]
    pub const fn modbus(&self) -> Option<SocketAddr> {
        self.modbus
    }

    /// The units on the Modbus link, for the configuration of whoever polls them.
    pub fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.hospital.units()
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
        let mut publishers = self.publishers(&ledger)?;
        let mut summary = self.drive(&mut publishers, &ledger).await;
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

    fn publishers(&self, ledger: &Ledger) -> io::Result<Vec<Publisher>> {
        let Some(address) = &self.options.mqtt else { return Ok(Vec::new()) };
        let (host, port) = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .ok_or_else(|| io::Error::other(format!("{address:?} is no address; write host:port")))?;
        let start = |(number, group): (usize, &String)| {
            let target = Target {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
                credentials: self.options.credentials.clone(),
                client_id: format!("sim-{}-{group}", self.options.seed),
                filters: self.hospital.filters(number),
            };
            Publisher::start(target, Arc::clone(&self.clock), ledger.clone(), self.stop.clone())
        };
        Ok(self.hospital.groups().iter().enumerate().map(start).collect())
    }

    async fn drive(&mut self, publishers: &mut [Publisher], ledger: &Ledger) -> Summary {
        let mut summary = Summary::default();
        let begun = self.clock.now().steady_ms;
        loop {
            let at = self.clock.now();
            for message in self.hospital.messages(at.wall.0) {
                if let Some(publisher) = publishers.get_mut(message.group) {
                    publisher.send(message);
                }
            }
            for (name, registers) in self.hospital.registers(at.wall.0) {
                summary.registers += 1;
                ledger.registers(&name, &registers, at.wall).await;
                self.registers.set(name.unit, registers);
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
            }
        }
    }
}

/// Opens and runs a simulated hospital until it is stopped or its time is over.
///
/// # Errors
/// When a port or the ledger cannot be opened, or the broker's address is none.
pub async fn run(options: Options, clock: Arc<dyn Clock>, stop: CancellationToken) -> io::Result<Summary> {
    Simulation::open(options, clock, stop).await?.run().await
}
