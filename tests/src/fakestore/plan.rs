//! What the fake store does with a write: one step for each request, switchable while it runs.

use std::collections::VecDeque;
use std::time::Duration;

/// What happens to one write request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Keep the lines and answer 204, or with the poison's status if a line is poison.
    Keep,
    /// Keep nothing and answer with this status.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The Retry-After header, if any.
        retry_after: Option<String>,
    },
    /// Keep the lines, but answer with this status all the same.
    KeepButSay(u16),
    /// Refuse with 413 when the request holds more lines than this, else keep.
    AtMost(usize),
    /// Close without keeping anything when the request holds more lines than this, as a proxy that gave up; else keep.
    AnswersAtMost(usize),
    /// Take the request and never answer, until the plan is changed; then go on with the new plan.
    Stall,
    /// Keep the lines, then never answer.
    KeepThenStall,
    /// Wait, then keep.
    Slow(Duration),
    /// Close the connection without keeping anything.
    Close,
    /// Keep the lines, then close without an answer: the sender cannot know.
    KeepThenClose,
}

impl Step {
    /// A refusal without Retry-After.
    #[must_use]
    pub const fn refuse(status: u16) -> Self {
        Self::Refuse { status, retry_after: None }
    }
}

/// What the store does about lines that contain the needle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    /// A line that contains this text is poison.
    pub needle: String,
    /// Status of the answer to a request with poison in it (400 or 422).
    pub status: u16,
    /// Whether the good lines of such a request are kept.
    pub keep_rest: bool,
}

/// Faults by chance, repeatable by seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chaos {
    /// Equal seeds give equal faults.
    pub seed: u64,
    /// How many of 100 requests meet a fault.
    pub percent: u8,
}

/// What the store does from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Done first, one for each request.
    pub first: VecDeque<Step>,
    /// Done with every later request.
    pub then: Step,
    /// Which lines it does not like.
    pub poison: Option<Poison>,
    /// Faults on top of `then`.
    pub chaos: Option<Chaos>,
}

impl Default for Plan {
    fn default() -> Self {
        Self::always(Step::Keep)
    }
}

impl Plan {
    /// The same for every request.
    #[must_use]
    pub const fn always(step: Step) -> Self {
        Self { first: VecDeque::new(), then: step, poison: None, chaos: None }
    }

    /// These steps, one a request, then keep all.
    #[must_use]
    pub fn script(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { first: steps.into_iter().collect(), ..Self::default() }
    }

    /// Keeps all but lines with this needle.
    #[must_use]
    pub fn poison(needle: &str, status: u16, keep_rest: bool) -> Self {
        Self { poison: Some(Poison { needle: needle.to_owned(), status, keep_rest }), ..Self::default() }
    }

    /// Faults by chance; a third of them keep the lines and drop the answer.
    #[must_use]
    pub fn chaos(seed: u64, percent: u8) -> Self {
        Self { chaos: Some(Chaos { seed, percent }), ..Self::default() }
    }

    /// The step for the next request.
    pub(super) fn next(&mut self) -> Step {
        if let Some(step) = self.first.pop_front() {
            return step;
        }
        let Some(chaos) = &mut self.chaos else { return self.then.clone() };
        if draw(&mut chaos.seed) % 100 >= u64::from(chaos.percent) {
            return self.then.clone();
        }
        match draw(&mut chaos.seed) % 6 {
            0 | 1 => Step::KeepThenClose,
            2 => Step::Close,
            3 => Step::refuse(500),
            4 => Step::Refuse { status: 503, retry_after: Some("0".to_owned()) },
            _ => Step::Slow(Duration::from_millis(200)),
        }
    }
}

/// SplitMix64: small, seeded, the same on every machine.
pub(crate) const fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
