//! A start on a disk that does not give back what was written: it is given time, as the engine gives it later.

use std::time::Duration;

use orderly_store::journal::JournalError;

/// So often the disk is asked again before what it does not give counts as damage: a quarter of a minute in all.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens with `open`, which is told whether it may read over what the disk does not give. It may only after some
/// tries and pauses: a disk that is away for a moment at boot has lost nothing.
pub(super) fn open<T>(
    mut open: impl FnMut(bool) -> anyhow::Result<T>,
    mut pause: impl FnMut(Duration),
) -> anyhow::Result<T> {
    let mut wait = FIRST_PAUSE;
    for tries in 1..=TRIES {
        match open(false) {
            Err(error) if is_of_the_disk(&error) => {
                let pause_ms = wait.as_millis();
                tracing::warn!(%error, tries, pause_ms, "the disk does not give the journal; it is asked again");
            }
            opened => return opened,
        }
        pause(wait);
        wait = (wait * 2).min(LONGEST_PAUSE);
    }
    open(true)
}

fn is_of_the_disk(error: &anyhow::Error) -> bool {
    error.downcast_ref::<JournalError>().is_some_and(JournalError::is_of_the_disk)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn refused(code: i32) -> anyhow::Error {
        let source = std::io::Error::from_raw_os_error(code);
        JournalError::Io { what: "read", path: "/data/journal".into(), source }.into()
    }

    /// A disk that answers from the moment on at which so much time has passed; gives what came and how often it was
    /// asked.
    fn with_a_disk_away(for_ms: u64, code: i32) -> (anyhow::Result<&'static str>, Vec<bool>) {
        let (asked, passed) = (RefCell::new(Vec::new()), Cell::new(Duration::ZERO));
        let opened = open(
            |read_over| {
                asked.borrow_mut().push(read_over);
                let is_back = passed.get() >= Duration::from_millis(for_ms);
                if is_back {
                    Ok("whole")
                } else if read_over {
                    Ok("damaged")
                } else {
                    Err(refused(code))
                }
            },
            |time| passed.set(passed.get() + time),
        );
        (opened, asked.into_inner())
    }

    #[test]
    fn a_disk_that_is_away_for_some_seconds_at_the_start_has_lost_nothing() {
        assert_eq!(with_a_disk_away(0, 5).1, [false], "no time is lost on a good one");
        for away in [1, 2_000, 15_000] {
            let (opened, asked) = with_a_disk_away(away, 5);
            assert_eq!(opened.unwrap(), "whole", "{away} ms");
            assert!(
                asked.len() > 1 && asked[..asked.len() - 1].iter().all(|read_over| !read_over),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn what_the_disk_does_not_give_in_time_is_read_over() {
        let (opened, asked) = with_a_disk_away(60_000, 5);
        assert_eq!(opened.unwrap(), "damaged");
        assert_eq!(asked, [vec![false; 8], vec![true]].concat());
    }

    #[test]
    fn what_is_no_fault_of_the_disk_is_told_at_once() {
        let (opened, asked) = with_a_disk_away(60_000, 13);
        assert!(opened.is_err());
        assert_eq!(asked, [false]);
    }
}
