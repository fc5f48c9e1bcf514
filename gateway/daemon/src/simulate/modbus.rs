//! Modbus servers with the registers of all simulated units: over TCP, and over a pseudo-terminal as on a serial line.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::rtu;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_serial::{SerialPort as _, SerialStream};
use tokio_util::sync::CancellationToken;

use super::units::Registers;

/// The registers of all units, shared with every connection.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<RwLock<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    units: BTreeMap<u8, Registers>,
    /// What was written and the devices have not seen yet.
    writes: Vec<Wrote>,
}

/// Somebody wrote one coil or register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrote {
    /// The unit.
    pub unit: u8,
    coil: bool,
    at: u16,
    /// What was written.
    pub value: u16,
}

impl Wrote {
    /// Where, as in `coil 0`.
    pub fn register(&self) -> String {
        format!("{} {}", if self.coil { "coil" } else { "holding" }, self.at)
    }

    /// Puts it there, if it may be written.
    fn put(&self, registers: &mut Registers) -> Result<(), ExceptionCode> {
        if self.coil {
            let coil = registers.coils.get_mut(&self.at).ok_or(ExceptionCode::IllegalDataAddress)?;
            *coil = self.value != 0;
        } else if registers.settable.contains(&self.at) {
            registers.holding.insert(self.at, self.value);
        } else {
            // Nothing else here can be switched from outside.
            return Err(ExceptionCode::IllegalFunction);
        }
        Ok(())
    }
}

impl Shared {
    /// Replaces the registers of a unit; what was just written stays.
    pub fn set(&self, unit: u8, mut registers: Registers) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = inner.units.get(&unit) {
            registers.coils.clone_from(&known.coils);
        }
        for write in inner.writes.iter().filter(|write| write.unit == unit) {
            // It was possible when it came.
            _ = write.put(&mut registers);
        }
        inner.units.insert(unit, registers);
    }

    /// What was written since it was asked last.
    pub fn writes(&self) -> Vec<Wrote> {
        std::mem::take(&mut self.0.write().unwrap_or_else(PoisonError::into_inner).writes)
    }

    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Response, ExceptionCode> {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let unit = request.slave;
        let registers = inner.units.get_mut(&unit).ok_or(ExceptionCode::GatewayTargetDevice)?;
        let (write, done) = match request.request {
            Request::ReadDiscreteInputs(from, count) => {
                return part(&registers.discrete, from, count).map(Response::ReadDiscreteInputs);
            }
            Request::ReadInputRegisters(from, count) => {
                return part(&registers.input, from, count).map(Response::ReadInputRegisters);
            }
            Request::ReadHoldingRegisters(from, count) => {
                return part(&registers.holding, from, count).map(Response::ReadHoldingRegisters);
            }
            Request::ReadCoils(from, count) => {
                return part(&registers.coils, from, count).map(Response::ReadCoils);
            }
            Request::WriteSingleCoil(at, on) => {
                (Wrote { unit, coil: true, at, value: u16::from(on) }, Response::WriteSingleCoil(at, on))
            }
            Request::WriteSingleRegister(at, value) => {
                (Wrote { unit, coil: false, at, value }, Response::WriteSingleRegister(at, value))
            }
            _ => return Err(ExceptionCode::IllegalFunction),
        };
        write.put(registers)?;
        inner.writes.push(write);
        Ok(done)
    }
}

fn part<T: Copy>(all: &BTreeMap<u16, T>, from: u16, count: u16) -> Result<Vec<T>, ExceptionCode> {
    let end = from.checked_add(count).filter(|_| count > 0).ok_or(ExceptionCode::IllegalDataAddress)?;
    (from..end).map(|at| all.get(&at).copied().ok_or(ExceptionCode::IllegalDataAddress)).collect()
}

impl Service for Shared {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(self.answer(&request))
    }
}

/// The same on a serial line, where nobody answers for a unit that is not there.
struct OnLine(Shared);

impl Service for OnLine {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(match self.0.answer(&request) {
            Err(ExceptionCode::GatewayTargetDevice) => Ok(None),
            answer => answer.map(Some),
        })
    }
}

/// `O_NOCTTY` of Linux: the terminal does not become that of our process.
const NO_CONTROL: i32 = 0o400;

/// Opens a pseudo-terminal and serves RTU on it until `stop`; gives the path at which others find it.
///
/// # Errors
/// When there is no pseudo-terminal.
pub(super) fn serve_line(shared: Shared, stop: CancellationToken) -> io::Result<PathBuf> {
    let (near, far) = SerialStream::pair()?;
    let path = far.name().ok_or_else(|| io::Error::other("the pseudo-terminal has no name"))?;
    // A line on which nobody is would end. Whoever opens it as a port locks it, and a plain file does not.
    let open = File::options().read(true).write(true).custom_flags(NO_CONTROL).open(&path)?;
    drop(far);
    tokio::spawn(async move {
        let ended = rtu::Server::new(near).serve_until(OnLine(shared), stop.cancelled_owned()).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the simulated serial line ended");
        }
        drop(open);
    });
    Ok(path.into())
}

/// Serves an open port until `stop`; gives its address.
///
/// # Errors
/// When the port has none.
pub(super) fn serve(
    listener: TcpListener,
    shared: Shared,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let taken = listener.local_addr()?;
    tokio::spawn(async move {
        let connected = |stream, peer| {
            let shared = shared.clone();
            async move { accept_tcp_connection(stream, peer, |_| Ok(Some(shared.clone()))) }
        };
        let failed = |error| tracing::debug!(%error, "a simulated Modbus connection ended");
        let ended = Server::new(listener).serve_until(&connected, failed, stop.cancelled_owned()).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the simulated Modbus server ended");
        }
    });
    Ok(taken)
}
