//! What the answers of stores mean, as data. What is not in the table is tried again and shown; nothing is dropped.

use super::config::Engine;

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The store has the points.
    Accepted,
    /// The store cannot just now: wait with jitter, or as long as it says, and send the same again.
    Retry,
    /// The request is too large: send its halves.
    Halve,
    /// Some point is refused: find it by halving.
    Bisect,
    /// The store refuses us as a whole: a person must act; try again now and then.
    Hold,
    /// Not in the table: as retry, and a person is told.
    Unknown,
}

/// One row: for which engine, from which status to which, what to do, and what a person may look at.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// `None`: for every engine without a row of its own before this one.
    pub engine: Option<Engine>,
    /// First status.
    pub from: u16,
    /// Last status.
    pub to: u16,
    /// What to do.
    pub verdict: Verdict,
    /// What to look at.
    pub hint: &'static str,
}

const fn row(engine: Option<Engine>, from: u16, to: u16, verdict: Verdict, hint: &'static str) -> Row {
    Row { engine, from, to, verdict, hint }
}

/// The table; the first row that fits counts.
pub const TABLE: &[Row] = &[
    row(None, 200, 200, Verdict::Accepted, ""),
    row(None, 204, 204, Verdict::Accepted, ""),
    row(
        None,
        300,
        399,
        Verdict::Hold,
        "the address answers with a redirect, which is not followed: set the final `url`",
    ),
    row(
        Some(Engine::InfluxDb1),
        404,
        404,
        Verdict::Hold,
        "the database does not exist: create it, or set `bucket` to its name",
    ),
    row(
        Some(Engine::InfluxDb2),
        404,
        404,
        Verdict::Hold,
        "the organisation or bucket does not exist: create it, mend `org` and `bucket`, or set `create_bucket`",
    ),
    row(
        Some(Engine::InfluxDb3),
        404,
        404,
        Verdict::Hold,
        "the database or the write door is not there: look at `bucket` and `dialect`",
    ),
    row(
        Some(Engine::VictoriaMetrics),
        404,
        404,
        Verdict::Hold,
        "this address has no write door: a cluster wants a path such as /insert/0/influx in `url`",
    ),
    // InfluxDB 1 says 400 and keeps the rest, 2 says 400 and keeps none or 422 and keeps the rest, 3 says 400
    // and may have kept the rest. Halving is right for all of them, since a line sent twice is one row.
    row(None, 400, 400, Verdict::Bisect, "a point is refused"),
    row(None, 422, 422, Verdict::Bisect, "a point is refused"),
    row(None, 401, 401, Verdict::Hold, "the token is refused: look at `token_file`"),
    row(
        None,
        403,
        403,
        Verdict::Hold,
        "the token may not write here: give it write permission for the bucket",
    ),
    row(None, 404, 404, Verdict::Hold, "the address is not there: look at `url`"),
    row(None, 408, 408, Verdict::Retry, "the store ran into its own time limit"),
    row(None, 413, 413, Verdict::Halve, "the request is too large for the store"),
    row(None, 429, 429, Verdict::Retry, "the store asks for a pause"),
    row(None, 500, 599, Verdict::Retry, "the store has a fault of its own"),
];

/// What this answer of this engine means, and what a person may look at.
#[must_use]
pub fn verdict(engine: Engine, status: u16) -> (Verdict, &'static str) {
    TABLE
        .iter()
        .find(|r| r.engine.is_none_or(|e| e == engine) && (r.from..=r.to).contains(&status))
        .map_or((Verdict::Unknown, "an answer that is not known: is this address a store?"), |r| {
            (r.verdict, r.hint)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: [Engine; 4] =
        [Engine::InfluxDb1, Engine::InfluxDb2, Engine::InfluxDb3, Engine::VictoriaMetrics];

    #[test]
    fn every_answer_of_every_engine_has_a_meaning_and_only_two_of_them_mean_done() {
        for engine in ENGINES {
            for status in 100..=999 {
                let (verdict, hint) = verdict(engine, status);
                assert_eq!(
                    verdict == Verdict::Accepted,
                    status == 200 || status == 204,
                    "{engine:?} {status}"
                );
                assert_eq!(hint.is_empty(), verdict == Verdict::Accepted, "{engine:?} {status}");
            }
        }
    }

    #[test]
    fn the_table_says_what_the_fault_matrix_demands() {
        use Verdict::{Bisect, Halve, Hold, Retry, Unknown};
        for engine in ENGINES {
            for (status, want) in [
                (400, Bisect),
                (422, Bisect),
                (401, Hold),
                (403, Hold),
                (404, Hold),
                (301, Hold),
                (413, Halve),
                (429, Retry),
                (500, Retry),
                (503, Retry),
                (504, Retry),
                (418, Unknown),
                (206, Unknown),
            ] {
                assert_eq!(verdict(engine, status).0, want, "{engine:?} {status}");
            }
        }
    }
}
