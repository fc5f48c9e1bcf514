//! How strongly one reader hears one tag, smoothed.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// The median is that of so many samples at most, and of so long: DOMAIN 5.4, item 2.
const SAMPLES: usize = 5;
const SAMPLES_MS: i64 = 10_000;
/// Share of the new median in the smoothed value.
const ALPHA: f64 = 0.25;

/// How strongly a tag is heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Signal {
    samples: VecDeque<(Timestamp, i16)>,
    /// In dBm; `None` before the first window is closed.
    smooth: Option<f64>,
    fresh: bool,
}

impl Signal {
    pub(super) fn hear(&mut self, at: Timestamp, rssi: i16) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((at, rssi));
        self.fresh = true;
    }

    /// When it was heard last.
    pub(super) fn heard_at(&self) -> Option<Timestamp> {
        self.samples.back().map(|(at, _)| *at)
    }

    /// The strongest sample since this moment.
    pub(super) fn peak(&self, since: Timestamp) -> Option<i16> {
        self.samples.iter().filter(|(at, _)| *at >= since).map(|(_, rssi)| *rssi).max()
    }

    /// A window is over.
    pub(super) fn close(&mut self, end: Timestamp) {
        if !std::mem::take(&mut self.fresh) {
            return;
        }
        let newest = self.samples.back().copied();
        self.samples.retain(|(at, _)| end.since(*at) <= SAMPLES_MS);
        if self.samples.is_empty() {
            self.samples.extend(newest);
        }
        let mut sorted: Vec<i16> = self.samples.iter().map(|(_, rssi)| *rssi).collect();
        sorted.sort_unstable();
        let middle = |n: usize| f64::from(sorted[n]);
        let half = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(middle(half - 1), middle(half))
        } else {
            middle(half)
        };
        self.smooth = Some(self.smooth.map_or(median, |smooth| ALPHA.mul_add(median - smooth, smooth)));
    }

    /// In dBm.
    pub(super) const fn level(&self) -> Option<f64> {
        self.smooth
    }
}
