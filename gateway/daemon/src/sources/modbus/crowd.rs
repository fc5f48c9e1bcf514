//! Many links that have the same to say at once: the first lines are written, the others told as a number.

use std::sync::{Mutex, PoisonError};

/// Lines that are written in each span of time.
const MOST: u32 = 20;
const SPAN_MS: u64 = 10_000;

/// Counts the lines of all links of a gateway.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: u64,
    written: u32,
    left_out: u64,
    tell_at: u64,
}

impl Crowd {
    /// Whether a line may be written at this steady time. If not, it is counted.
    pub fn admits(&self, now: u64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= state.since.saturating_add(SPAN_MS) {
            (state.since, state.written) = (now, 0);
        }
        if state.written < MOST {
            state.written += 1;
            return true;
        }
        if state.left_out == 0 {
            state.tell_at = now.saturating_add(SPAN_MS);
        }
        state.left_out += 1;
        false
    }

    /// How many lines were left out, once they have been for a while; each is told once.
    pub fn left_out(&self, now: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.left_out == 0 || now < state.tell_at {
            return None;
        }
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_links_that_go_down_together_write_twenty_lines_and_a_number() {
        let crowd = Crowd::default();
        let written = (0..1_000).filter(|n| crowd.admits(SPAN_MS + n)).count();
        assert_eq!(written, 20);
        assert_eq!(crowd.left_out(SPAN_MS + 1_000), None, "it is not over yet");
        assert_eq!(crowd.left_out(SPAN_MS + 20 + SPAN_MS), Some(980));
        assert_eq!(crowd.left_out(9 * SPAN_MS), None, "told once");
        assert!(crowd.admits(9 * SPAN_MS), "and the next is written again");
    }

    #[test]
    fn a_flood_that_goes_on_never_writes_more() {
        let crowd = Crowd::default();
        let (mut written, mut numbers) = (0, 0);
        for now in 0..10 * SPAN_MS {
            written += u32::from(crowd.admits(now));
            numbers += crowd.left_out(now).map_or(0, |_| 1);
        }
        assert_eq!((written, numbers), (200, 9));
    }
}
