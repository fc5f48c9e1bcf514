//! One request, and an answer that is believed only when it is exactly what was asked for.

use std::time::Duration;

use orderly_core::codec::registers::{Table, push_bits, push_refused, push_words};
use tokio::net::TcpStream;
use tokio_modbus::client::{Client as _, Context, tcp};
use tokio_modbus::prelude::SlaveContext as _;
use tokio_modbus::{ExceptionCode, Request, Response, Slave};

use super::plan::Ask;

/// What went wrong, by what must follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection cannot be trusted any more and must be dropped: a late answer to this request would be taken
    /// for the answer to the next one.
    Link(String),
    /// The unit does not take part at present; the connection is sound.
    Unit(String),
}

/// A connection to the link.
pub(super) struct Connection {
    context: Context,
    timeout: Duration,
}

impl Connection {
    /// Connects; the name is looked up anew each time.
    pub(super) async fn open(address: &str, timeout: Duration) -> Result<Self, String> {
        let stream = tokio::time::timeout(timeout.max(Duration::from_secs(1)), TcpStream::connect(address))
            .await
            .map_err(|_| format!("{address} does not answer"))?
            .map_err(|e| format!("{address}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(Self { context: tcp::attach(stream), timeout })
    }

    /// Asks the unit and appends the block that came to the body.
    pub(super) async fn ask(&mut self, unit: u8, ask: Ask, body: &mut Vec<u8>) -> Result<(), Failure> {
        self.context.set_slave(Slave(unit));
        let request = match ask.table {
            Table::Coil => Request::ReadCoils(ask.start, ask.count),
            Table::Discrete => Request::ReadDiscreteInputs(ask.start, ask.count),
            Table::Holding => Request::ReadHoldingRegisters(ask.start, ask.count),
            Table::Input => Request::ReadInputRegisters(ask.start, ask.count),
        };
        // `call` and not the named readers: those check the length of the answer in debug builds only, by a panic.
        let answer = tokio::time::timeout(self.timeout, self.context.call(request)).await;
        let link = |why: String| Failure::Link(why);
        match answer {
            Err(_) => Err(link(format!("no answer within {} ms", self.timeout.as_millis()))),
            Ok(Err(tokio_modbus::Error::Protocol(e))) => Err(link(e.to_string())),
            // The crate reports the peer's close as whatever error the system had last.
            Ok(Err(tokio_modbus::Error::Transport(_))) => Err(link("the connection was lost".to_owned())),
            Ok(Ok(Err(exception))) => refused(ask, exception, body),
            Ok(Ok(Ok(response))) => take(ask, response, body).map_err(link),
        }
    }
}

/// An exception is an answer: the register is not there, or the unit is not.
fn refused(ask: Ask, exception: ExceptionCode, body: &mut Vec<u8>) -> Result<(), Failure> {
    match exception {
        ExceptionCode::IllegalFunction
        | ExceptionCode::IllegalDataAddress
        | ExceptionCode::IllegalDataValue => {
            push_refused(body, ask.table, ask.start, ask.count, exception.into());
            Ok(())
        }
        other => Err(Failure::Unit(format!("it answers with exception {}: {other}", u8::from(other)))),
    }
}

/// Believes an answer of exactly the asked kind and length.
fn take(ask: Ask, response: Response, body: &mut Vec<u8>) -> Result<(), String> {
    let count = usize::from(ask.count);
    let wrong = |got: usize| format!("asked for {count} of {:?} at {}, got {got}", ask.table, ask.start);
    match (ask.table, response) {
        (Table::Holding, Response::ReadHoldingRegisters(words))
        | (Table::Input, Response::ReadInputRegisters(words)) => {
            if words.len() != count {
                return Err(wrong(words.len()));
            }
            push_words(body, ask.table, ask.start, &words);
            Ok(())
        }
        (Table::Coil, Response::ReadCoils(bits)) | (Table::Discrete, Response::ReadDiscreteInputs(bits)) => {
            // Bits come eight to a byte: the last byte may bring up to seven that were not asked for.
            if bits.len() != count && bits.len() != count.next_multiple_of(8) {
                return Err(wrong(bits.len()));
            }
            push_bits(body, ask.table, ask.start, &bits[..count]);
            Ok(())
        }
        (table, other) => Err(format!("asked for {table:?}, got {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_asked_length_is_believed() {
        let words = Ask { table: Table::Holding, start: 0, count: 4 };
        let bits = Ask { table: Table::Coil, start: 0, count: 4 };
        let mut body = Vec::new();
        for n in [0, 1, 3, 5, 8] {
            assert!(take(words, Response::ReadHoldingRegisters(vec![0; n]), &mut body).is_err());
        }
        for n in [0, 3, 7, 9, 16] {
            assert!(take(bits, Response::ReadCoils(vec![false; n]), &mut body).is_err());
        }
        assert!(take(words, Response::ReadInputRegisters(vec![0; 4]), &mut body).is_err());
        assert!(body.is_empty());
        assert!(take(words, Response::ReadHoldingRegisters(vec![0; 4]), &mut body).is_ok());
        assert!(take(bits, Response::ReadCoils(vec![true; 8]), &mut body).is_ok());
        assert_eq!(body, [3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0b1111]);
    }

    #[test]
    fn exceptions_tell_a_missing_register_from_a_missing_unit() {
        let ask = Ask { table: Table::Holding, start: 7, count: 2 };
        let mut body = Vec::new();
        for code in
            [ExceptionCode::ServerDeviceBusy, ExceptionCode::GatewayTargetDevice, ExceptionCode::Acknowledge]
        {
            assert!(matches!(refused(ask, code, &mut body), Err(Failure::Unit(_))));
        }
        assert!(body.is_empty());
        assert!(refused(ask, ExceptionCode::IllegalDataAddress, &mut body).is_ok());
        assert_eq!(body, [3 | 128, 0, 7, 0, 2, 2]);
    }
}
