//! What the functions of conditions remember of a device: readings in buckets, or the last so many.
//!
//! A window in time moves in steps of a bucket: at any moment it holds the bucket of that moment and so many before
//! it. So it costs the same however often a device reports, and is the same however late readings came.

use crate::expr::{Of, Over, Span};
use crate::time::Timestamp;
use crate::wire::{DecodeError, Reader, put_number, put_varint, put_zigzag};

use super::set::RuleSet;

/// The readings of one bucket, or one of the last so many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Its number since 1970; of the last so many, when it was taken.
    pub key: i64,
    /// How many readings there are.
    pub n: u32,
    /// Their sum, their lowest or highest, the first of them, or for how many something was so.
    pub sum: f64,
    /// For a line: the sums of time, time squared, and time with value, in seconds since the bucket began.
    pub line: [f64; 3],
}

/// What one function remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// From the oldest on.
    pub buckets: Vec<Bucket>,
    /// The value that was taken last; NaN: none.
    pub last: f64,
    /// The value before the last change; NaN: there was none.
    pub before: f64,
}

impl Default for Window {
    fn default() -> Self {
        Self { buckets: Vec::new(), last: f64::NAN, before: f64::NAN }
    }
}

impl Window {
    /// Takes a value in the order of time.
    fn add(&mut self, over: &Over, value: f64, at: Timestamp) {
        let changed = !self.last.is_nan() && self.last.to_bits() != value.to_bits();
        if changed {
            self.before = self.last;
        }
        self.last = value;
        let worth = match over.of {
            Of::Previous | Of::Difference | Of::DifferencePercent | Of::Ratio => return,
            Of::Changes => f64::from(u8::from(changed)),
            Of::Count | Of::Share => {
                f64::from(u8::from(over.with.is_none_or(|(op, with)| op.is_so(value, with))))
            }
            Of::Mean | Of::Min | Of::Max | Of::Sum | Of::Delta | Of::Predict(_) => value,
        };
        let (key, since) = match over.span {
            Span::Time { width_ms, .. } => (at.0.div_euclid(width_ms), at.0.rem_euclid(width_ms)),
            Span::Last(_) | Span::Now => (at.0, 0),
        };
        let fresh =
            matches!(over.span, Span::Last(_)) || self.buckets.last().is_none_or(|last| last.key < key);
        if fresh {
            self.buckets.push(Bucket { key, n: 0, sum: worth, line: [0.0; 3] });
        }
        let Some(bucket) = self.buckets.last_mut() else { return };
        bucket.n = bucket.n.saturating_add(1);
        if !fresh {
            bucket.sum = match over.of {
                Of::Min => bucket.sum.min(worth),
                Of::Max => bucket.sum.max(worth),
                Of::Delta => bucket.sum,
                _ => bucket.sum + worth,
            };
        }
        if matches!(over.of, Of::Predict(_)) {
            let t = seconds(since);
            let [sum, squares, with] = bucket.line;
            bucket.line = [sum + t, t.mul_add(t, squares), t.mul_add(value, with)];
        }
        if let Span::Last(n) = over.span
            && self.buckets.len() > n
        {
            self.buckets.remove(0);
        }
    }

    /// Lets go of what has left the window at a moment. Tells whether there was anything.
    fn prune(&mut self, over: &Over, at: Timestamp) -> bool {
        let Span::Time { width_ms, buckets } = over.span else { return false };
        let oldest = at.0.div_euclid(width_ms) - buckets;
        let gone = self.buckets.partition_point(|bucket| bucket.key <= oldest);
        self.buckets.drain(..gone);
        gone > 0
    }

    /// When something leaves the window next.
    fn next_change(&self, over: &Over) -> i64 {
        match (over.span, self.buckets.first()) {
            (Span::Time { width_ms, buckets }, Some(first)) => (first.key + buckets).saturating_mul(width_ms),
            _ => i64::MAX,
        }
    }

    /// What the function tells at a moment; NaN: nothing.
    fn value(&self, over: &Over, values: &[f64], at: Timestamp) -> f64 {
        let of_slot = |slot: u8| values.get(usize::from(slot)).copied().unwrap_or(f64::NAN);
        let sum = || self.buckets.iter().map(|bucket| bucket.sum).sum::<f64>();
        let n = || self.buckets.iter().map(|bucket| f64::from(bucket.n)).sum::<f64>();
        match over.of {
            Of::Previous => return self.before,
            Of::Difference => return of_slot(over.source) - of_slot(over.other),
            Of::DifferencePercent => {
                return percent((of_slot(over.source) - of_slot(over.other)).abs(), of_slot(over.other));
            }
            Of::Ratio => return percent(of_slot(over.source), of_slot(over.other)),
            _ if self.last.is_nan() => return f64::NAN,
            _ => {}
        }
        if let Span::Last(wanted) = over.span
            && self.buckets.len() < wanted
        {
            // Of the last fifty nothing is known before there were fifty.
            return f64::NAN;
        }
        match over.of {
            Of::Sum | Of::Count | Of::Changes => sum(),
            _ if self.buckets.is_empty() => f64::NAN,
            Of::Mean => sum() / n(),
            Of::Share => 100.0 * sum() / n(),
            Of::Min => self.buckets.iter().map(|bucket| bucket.sum).fold(f64::INFINITY, f64::min),
            Of::Max => self.buckets.iter().map(|bucket| bucket.sum).fold(f64::NEG_INFINITY, f64::max),
            Of::Delta => self.last - self.buckets.first().map_or(f64::NAN, |first| first.sum),
            Of::Predict(ahead) => self.predict(over, at, ahead),
            Of::Previous | Of::Difference | Of::DifferencePercent | Of::Ratio => f64::NAN,
        }
    }

    /// What the straight line of least squares gives so long after a moment.
    fn predict(&self, over: &Over, at: Timestamp, ahead_ms: i64) -> f64 {
        let Span::Time { width_ms, .. } = over.span else { return f64::NAN };
        let (mut n, mut t, mut v, mut tt, mut tv) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for bucket in &self.buckets {
            // Times are counted from the moment itself, so that the figures stay small.
            let shift = seconds(bucket.key * width_ms - at.0);
            let (count, [sum, squares, with]) = (f64::from(bucket.n), bucket.line);
            n += count;
            t += sum + count * shift;
            v += bucket.sum;
            tt += squares + 2.0 * shift * sum + count * shift * shift;
            tv += with + shift * bucket.sum;
        }
        let spread = n * tt - t * t;
        // One moment alone makes no line.
        if spread <= 1e-6 * n * n {
            return f64::NAN;
        }
        let slope = (n * tv - t * v) / spread;
        (v - slope * t) / n + slope * seconds(ahead_ms)
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    match whole == 0.0 {
        true if part == 0.0 => 0.0,
        // Of nothing, anything is all there is.
        true => 100.0,
        false => 100.0 * part / whole,
    }
}

#[expect(clippy::cast_precision_loss, reason = "windows and horizons are short")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// Takes a sample into every window that looks at it, and writes what the functions tell then.
pub(super) fn add(set: &RuleSet, windows: &mut [Window], values: &mut [f64], mask: u64, at: Timestamp) {
    for ((_, over), window) in set.overs.iter().zip(windows.iter_mut()) {
        window.prune(over, at);
        let value = values.get(usize::from(over.source)).copied().filter(|value| !value.is_nan());
        if let Some(value) = value.filter(|_| mask >> over.source & 1 == 1) {
            window.add(over, value, at);
        }
    }
    show(set, windows, values, at);
}

/// Lets go of what has left the windows at a moment, and writes what the functions tell then. Gives the slots of
/// those that changed, as bits.
pub(super) fn pass(set: &RuleSet, windows: &mut [Window], values: &mut [f64], at: Timestamp) -> u64 {
    let mut changed = 0;
    for ((slot, over), window) in set.overs.iter().zip(windows.iter_mut()) {
        changed |= u64::from(window.prune(over, at)) << slot;
    }
    show(set, windows, values, at);
    changed
}

/// When something leaves one of these windows next.
pub(super) fn next_change(set: &RuleSet, windows: &[Window], slots: u64) -> i64 {
    let all = set.overs.iter().zip(windows).filter(|((slot, _), _)| slots >> slot & 1 == 1);
    all.map(|((_, over), window)| window.next_change(over)).min().unwrap_or(i64::MAX)
}

fn show(set: &RuleSet, windows: &[Window], values: &mut [f64], at: Timestamp) {
    for (n, (slot, over)) in set.overs.iter().enumerate() {
        let value = windows.get(n).map_or(f64::NAN, |window| window.value(over, values, at));
        if let Some(known) = values.get_mut(usize::from(*slot)) {
            *known = if value.is_finite() { value } else { f64::NAN };
        }
    }
}

/// Appends windows to a blob.
pub fn put(out: &mut Vec<u8>, windows: &[Window]) {
    put_varint(out, windows.len() as u64);
    for window in windows {
        out.extend_from_slice(&window.last.to_bits().to_le_bytes());
        out.extend_from_slice(&window.before.to_bits().to_le_bytes());
        put_varint(out, window.buckets.len() as u64);
        let mut before = 0;
        for bucket in &window.buckets {
            put_zigzag(out, bucket.key.wrapping_sub(before));
            before = bucket.key;
            put_varint(out, u64::from(bucket.n));
            put_number(out, bucket.sum);
            let lined = bucket.line != [0.0; 3];
            out.push(u8::from(lined));
            if lined {
                bucket.line.iter().for_each(|part| put_number(out, *part));
            }
        }
    }
}

/// Reads what [`put`] wrote.
///
/// # Errors
/// When the bytes are damaged.
pub fn read(r: &mut Reader<'_>) -> Result<Vec<Window>, DecodeError> {
    let bits = |r: &mut Reader<'_>| -> Result<f64, DecodeError> {
        let bytes = r.bytes(8)?.try_into().map_err(|_| DecodeError::Short)?;
        Ok(f64::from_bits(u64::from_le_bytes(bytes)))
    };
    let mut windows = Vec::new();
    for _ in 0..r.count()? {
        let (last, before) = (bits(r)?, bits(r)?);
        let (mut buckets, mut key) = (Vec::new(), 0_i64);
        for _ in 0..r.count()? {
            key = key.wrapping_add(r.zigzag()?);
            let n = u32::try_from(r.varint()?).map_err(|_| DecodeError::Malformed("bucket"))?;
            let sum = r.number()?;
            let line = match r.u8()? {
                0 => [0.0; 3],
                _ => [r.number()?, r.number()?, r.number()?],
            };
            buckets.push(Bucket { key, n, sum, line });
        }
        windows.push(Window { buckets, last, before });
    }
    Ok(windows)
}
