//! What the readings of one record have in common.

use smallvec::SmallVec;

use super::register::Chain;

/// The streams that the readings of one record are of.
#[derive(Debug, Default)]
pub(super) struct Parts {
    streams: SmallVec<[Part; 1]>,
}

/// One stream, while the readings of one record are decided on.
#[derive(Debug)]
pub(super) struct Part {
    of: (usize, usize, u32),
    /// Its readings of the present batch that came with earlier records: no reading is told again by its own message.
    pub(super) before: Option<Chain>,
    /// Whether the message is one without time that was sent before. It is decided with its first reading, for all:
    /// what that one leaves in the twin must not speak about the others.
    pub(super) repeat: Option<bool>,
}

impl Parts {
    /// The stream at this place of a device, in an epoch; `chain` are its readings of the present batch so far.
    pub(super) fn stream(
        &mut self,
        device: usize,
        place: usize,
        epoch: u32,
        chain: Option<Chain>,
    ) -> &mut Part {
        let of = (device, place, epoch);
        let at = self.streams.iter().rposition(|part| part.of == of).unwrap_or_else(|| {
            self.streams.push(Part { of, before: chain, repeat: None });
            self.streams.len() - 1
        });
        &mut self.streams[at]
    }
}
