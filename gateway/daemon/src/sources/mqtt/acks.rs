//! Which acknowledgements wait for the disk. Pure: a queue, a set of ids, and a watermark that somebody else moves.

use std::collections::{BTreeSet, VecDeque};

use orderly_core::record::Seq;

use super::wire::Ack;

/// Number of a record that has not been appended yet.
const UNSETTLED: Seq = Seq::MAX;

/// What one connection still owes its client, in the order in which it must be paid.
#[derive(Debug, Default)]
pub struct Acks {
    waiting: VecDeque<Owed>,
    /// QoS 2 ids taken and not yet released by the client.
    held: BTreeSet<u16>,
}

/// One acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// The record that must be durable first.
    seq: Seq,
    /// Packet id.
    pub id: u16,
    /// PUBACK or PUBREC.
    pub ack: Ack,
    /// Reason code of MQTT 5; 0 is "done".
    pub code: u8,
}

/// What to do with a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is new: journal it.
    New,
    /// Its acknowledgement waits for the disk already: no second record, one acknowledgement.
    Waits,
    /// It was acknowledged and not yet released: say it again.
    Again,
}

impl Acks {
    /// Notes a message of QoS 1 or 2 that is about to be appended.
    pub fn take(&mut self, qos: u8, id: u16, dup: bool) -> Taken {
        if qos == 2 {
            if !self.held.insert(id) {
                return if self.waits(id) { Taken::Waits } else { Taken::Again };
            }
        } else if dup && self.waits(id) {
            return Taken::Waits;
        }
        let ack = if qos == 2 { Ack::PubRec } else { Ack::PubAck };
        self.waiting.push_back(Owed { seq: UNSETTLED, id, ack, code: 0 });
        Taken::New
    }

    /// Notes a message that is refused with a code; it is told in its turn, and nothing is journalled.
    pub fn refuse(&mut self, qos: u8, id: u16, code: u8) {
        let ack = if qos == 2 { Ack::PubRec } else { Ack::PubAck };
        let seq = self.waiting.back().map_or(0, |owed| owed.seq);
        self.waiting.push_back(Owed { seq, id, ack, code });
    }

    /// What was noted since the last call became durable with record `last`.
    pub fn settle(&mut self, last: Seq) {
        for owed in self.waiting.iter_mut().rev().take_while(|owed| owed.seq == UNSETTLED) {
            owed.seq = last;
        }
    }

    /// Takes out what the watermark covers, in order.
    pub fn release(&mut self, durable: Seq) -> impl Iterator<Item = Owed> + '_ {
        let n = self.waiting.iter().take_while(|owed| owed.seq <= durable).count();
        self.waiting.drain(..n)
    }

    /// The client forgets a QoS 2 message; whether the id was known.
    pub fn forget(&mut self, id: u16) -> bool {
        self.held.remove(&id)
    }

    /// How many wait for the disk.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many QoS 2 ids are taken and not yet released.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn waits(&self, id: u16) -> bool {
        self.waiting.iter().any(|owed| owed.id == id && owed.code == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released(acks: &mut Acks, durable: Seq) -> Vec<(u16, u8)> {
        acks.release(durable).map(|owed| (owed.id, owed.code)).collect()
    }

    #[test]
    fn pays_in_order_and_never_before_the_watermark() {
        let mut acks = Acks::default();
        assert_eq!(acks.take(1, 1, false), Taken::New);
        assert_eq!(released(&mut acks, Seq::MAX - 1), [], "nothing that was not appended is released");
        acks.settle(10);
        acks.take(1, 2, false);
        acks.refuse(1, 3, 0x87);
        acks.take(1, 4, false);
        acks.settle(12);
        assert_eq!(released(&mut acks, 9), []);
        assert_eq!(released(&mut acks, 11), [(1, 0)]);
        assert_eq!(released(&mut acks, 12), [(2, 0), (3, 0x87), (4, 0)], "a refusal keeps its place");
        assert_eq!(acks.waiting(), 0);
    }

    #[test]
    fn refuses_at_once_when_nothing_waits() {
        let mut acks = Acks::default();
        acks.refuse(1, 3, 0x87);
        assert_eq!(released(&mut acks, 0), [(3, 0x87)]);
    }

    #[test]
    fn a_repeat_of_what_waits_gets_no_second_record() {
        let mut acks = Acks::default();
        acks.take(1, 7, false);
        assert_eq!(acks.take(1, 7, true), Taken::Waits);
        assert_eq!(acks.take(1, 7, false), Taken::New, "without DUP it is another message");
        acks.settle(1);
        assert_eq!(released(&mut acks, 1), [(7, 0), (7, 0)]);
        assert_eq!(acks.take(1, 7, true), Taken::New, "what was paid is forgotten");
    }

    #[test]
    fn qos_2_ids_are_kept_until_released() {
        let mut acks = Acks::default();
        assert_eq!(acks.take(2, 5, false), Taken::New);
        assert_eq!(acks.take(2, 5, true), Taken::Waits);
        acks.settle(1);
        assert_eq!(released(&mut acks, 1), [(5, 0)]);
        assert_eq!(acks.take(2, 5, true), Taken::Again);
        assert_eq!((acks.waiting(), acks.held()), (0, 1));
        assert!(acks.forget(5));
        assert!(!acks.forget(5));
        assert_eq!(acks.take(2, 5, false), Taken::New);
    }
}
