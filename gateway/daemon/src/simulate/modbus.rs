//! A Modbus TCP server with the registers of all simulated units.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::TcpListener;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tokio_util::sync::CancellationToken;

use super::units::Registers;

/// The registers of all units, shared with every connection.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<RwLock<BTreeMap<u8, Registers>>>);

impl Shared {
    /// Replaces the registers of a unit.
    pub fn set(&self, unit: u8, mut registers: Registers) {
        let mut units = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = units.get(&unit) {
            registers.coils.clone_from(&known.coils);
        }
        units.insert(unit, registers);
    }

    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Response, ExceptionCode> {
        let mut units = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let registers = units.get_mut(&request.slave).ok_or(ExceptionCode::GatewayTargetDevice)?;
        match request.request {
            Request::ReadDiscreteInputs(from, count) => {
                part(&registers.discrete, from, count).map(Response::ReadDiscreteInputs)
            }
            Request::ReadInputRegisters(from, count) => {
                part(&registers.input, from, count).map(Response::ReadInputRegisters)
            }
            Request::ReadHoldingRegisters(from, count) => {
                part(&registers.holding, from, count).map(Response::ReadHoldingRegisters)
            }
            Request::ReadCoils(from, count) => part(&registers.coils, from, count).map(Response::ReadCoils),
            Request::WriteSingleCoil(at, on) => {
                let coil =
                    registers.coils.get_mut(usize::from(at)).ok_or(ExceptionCode::IllegalDataAddress)?;
                *coil = on;
                Ok(Response::WriteSingleCoil(at, on))
            }
            Request::WriteSingleRegister(0, word) if registers.settable => {
                let first = registers.holding.first_mut().ok_or(ExceptionCode::IllegalDataAddress)?;
                *first = word;
                Ok(Response::WriteSingleRegister(0, word))
            }
            // Nothing else here can be switched from outside.
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }
}

fn part<T: Clone>(all: &[T], from: u16, count: u16) -> Result<Vec<T>, ExceptionCode> {
    let (from, count) = (usize::from(from), usize::from(count));
    match all.get(from..from + count) {
        Some(part) if count > 0 => Ok(part.to_vec()),
        _ => Err(ExceptionCode::IllegalDataAddress),
    }
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

/// Opens the port and serves it until `stop`; gives the address that was taken.
///
/// # Errors
/// When the port cannot be opened.
pub(super) async fn serve(
    address: SocketAddr,
    shared: Shared,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
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
