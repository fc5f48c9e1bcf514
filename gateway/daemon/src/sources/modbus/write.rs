//! A command to a unit: one write, then what was written is read back. Nothing is written twice.

use orderly_core::codec::registers::Written;
use orderly_core::profile::{Codec, Profile};
use orderly_core::record::Found;

use super::bus::{Bus, Failure, pause};
use super::config::LinkConfig;
use super::plan::Ask;
use super::wire::{Answer, Call};
use crate::sources::outgoing::ToUnit;

/// Writes, and reads back what must be so afterwards. The line is open.
pub(super) async fn carry_out(
    bus: &mut Bus,
    config: &LinkConfig,
    unit: u8,
    profile: &Profile,
    order: &ToUnit,
    now: impl Fn() -> u64,
) -> Found {
    let call = call(&order.write);
    // The engine has looked already; what may be written into a unit is asked once more where it leaves.
    let allowed = matches!(profile.codec(), Codec::Registers(poll) if poll.may_write(&order.write));
    if !allowed || !call.is_legal() {
        return Found::Refused { why: format!("{} is read-only in this profile", order.write) };
    }
    match bus.write(config, unit, &call, &now).await {
        Ok(Answer::Done) => {}
        Ok(Answer::Refused(code)) => {
            let meaning = tokio_modbus::ExceptionCode::new(code);
            return Found::Refused { why: format!("exception {code}: {meaning}") };
        }
        Ok(Answer::Data(_)) => {
            return Found::Unanswered { why: "a write was answered like a read".to_owned() };
        }
        Err(Failure::Silent(why)) => return Found::Unanswered { why },
        Err(Failure::Unit(why)) => return Found::NotConnected { why },
    }
    let Some(expect) = &order.expect else { return Found::Written { read_back: false } };
    pause(bus.gap(config)).await;
    let ask = Ask { table: expect.table(), start: expect.start, count: expect.count() };
    match bus.read(config, unit, ask, &[ask], now).await {
        Ok(Ok(data)) => match expect.of_wire(&data) {
            Some(read) if read == expect.words => Found::Written { read_back: true },
            Some(read) => {
                let read = Written { words: read, ..expect.clone() };
                Found::ReadsOtherwise { expected: expect.to_string(), read: read.to_string() }
            }
            None => Found::Unanswered { why: "too little was read back".to_owned() },
        },
        Ok(Err(code)) => {
            Found::Unanswered { why: format!("it was written; reading it back gave exception {code}") }
        }
        Err(Failure::Silent(why) | Failure::Unit(why)) => {
            Found::Unanswered { why: format!("it was written and could not be read back: {why}") }
        }
    }
}

/// One coil or register with function code 5 or 6, several with 15 or 16.
fn call(write: &Written) -> Call {
    match (write.coils, write.words.as_slice()) {
        (true, [one]) => Call::WriteCoil(write.start, *one != 0),
        (true, many) => Call::WriteCoils(write.start, many.iter().map(|word| *word != 0).collect()),
        (false, [one]) => Call::WriteRegister(write.start, *one),
        (false, many) => Call::WriteRegisters(write.start, many.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_several_have_codes_of_their_own() {
        let code =
            |coils, words: &[u16]| call(&Written { coils, start: 3, words: words.to_vec() }).function();
        assert_eq!(
            [code(true, &[1]), code(false, &[7]), code(true, &[1, 0]), code(false, &[1, 2])],
            [5, 6, 15, 16]
        );
    }
}
