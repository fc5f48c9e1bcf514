//! How far the store has everything, and what is left: the lanes, the tail that it may yet forget, the backlog's cap and holes.

use orderly_core::record::Seq;
use orderly_store::state::DeliveryChange;

use super::keep::Keeper;
use super::lanes::Lanes;
use super::prepare::Reader;
use super::send::Stopped;
use super::settle::Tail;
use crate::sinks::Hole;

/// Holes and the cap are looked after this often.
pub(super) const LOOK_EVERY_MS: u64 = 10_000;

/// What waits for the store.
pub(super) struct Spool {
    pub(super) lanes: Lanes,
    pub(super) tail: Tail,
    /// Most bytes of batches that wait for the store.
    cap: u64,
    looked_at: Option<u64>,
}

impl Spool {
    pub(super) const fn new(lanes: Lanes, tail: Tail, cap: u64) -> Self {
        Self { lanes, tail, cap, looked_at: None }
    }

    /// Begins behind the stored cursor.
    pub(super) fn begin(&mut self, cursor: Seq) {
        self.lanes.begin(cursor);
        self.tail.begin(cursor);
    }

    /// Up to where the store has it for good.
    pub(super) fn settled(&self) -> Seq {
        self.tail.settled(self.lanes.cursor())
    }

    /// The store was started anew and may have forgotten what it had accepted: that goes again.
    pub(super) fn rewind(&mut self) {
        self.lanes.rewind(self.tail.settled(0));
        self.looked_at = None;
    }

    /// Now and then, also while the store is away: a backlog above its cap becomes a hole, so that the batches can go; then
    /// reads which holes there are.
    pub(super) async fn look(&mut self, keeper: &Keeper, reader: &Reader, now: u64) -> Result<(), Stopped> {
        if self.looked_at.is_some_and(|at| now.saturating_sub(at) < LOOK_EVERY_MS) {
            return Ok(());
        }
        self.looked_at = Some(now);
        let (settled, cap) = (self.settled(), self.cap);
        if let Some(to) = keeper.ask(reader, move |source| source.over_cap(settled, cap)).await? {
            let (consumer, from) = (keeper.consumer.clone(), settled + 1);
            keeper.deliver(DeliveryChange::HoleOpened { consumer, from, to }).await?;
            self.lanes.skip(to);
            self.tail.skip(to);
            tracing::warn!(sink = %keeper.consumer, from, to, "the backlog is full; this part is filled in later");
        }
        let consumer = keeper.consumer.clone();
        let holes = keeper.ask(reader, move |source| source.holes(&consumer)).await?;
        self.lanes.set_holes(&self.tail.to_fill(holes));
        Ok(())
    }

    /// This hole was filled up to this record.
    pub(super) async fn filled(
        &mut self,
        keeper: &Keeper,
        hole: Hole,
        to: Seq,
        now: u64,
    ) -> Result<(), Stopped> {
        if to < hole.first {
            // The long-term store is behind: there is nothing to fill yet. Ask again with the other holes.
            self.lanes.set_holes(&[]);
            return Ok(());
        }
        self.tail.filled(Hole { first: hole.first, last: to }, now);
        self.close_holes(keeper).await
    }

    /// Tells which parts of holes the store has for good.
    pub(super) async fn close_holes(&mut self, keeper: &Keeper) -> Result<(), Stopped> {
        for Hole { first: from, last: to } in self.tail.take_closed() {
            let consumer = keeper.consumer.clone();
            keeper.deliver(DeliveryChange::HoleFilled { consumer, from, to }).await?;
        }
        Ok(())
    }
}
