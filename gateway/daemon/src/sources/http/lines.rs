//! From the body of a write request to records: whole lines, in nanoseconds, of at most 256 KiB together.

use orderly_core::codec::line::{Line, Precision, parse};

use super::{MAX_RECORD, Owner};

/// Most lines of one record.
const MAX_LINES: usize = 4_000;

/// Why a body is refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Lines that are none, by number.
    Syntax(String),
    /// Lines of another device.
    Foreign(String),
    /// One line, or all of it, is too large.
    TooLarge,
}

/// The records of a body; `owner`: the only device that may stand in it, and who knows whose a line is.
pub(super) fn records(
    body: &[u8],
    precision: Precision,
    owner: Option<(&str, &Owner)>,
) -> Result<Vec<Vec<u8>>, Unreadable> {
    let lines = parse(body, precision).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Unreadable::Syntax(format!("unable to parse: {}", all.join("; ")))
    })?;
    if lines.is_empty() {
        return Err(Unreadable::Syntax("there is no line in the body".to_owned()));
    }
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut room = 0;
    for line in &lines {
        if let Some((own, owner)) = owner
            && let Some(other) = owner(line).iter().find(|device| *device != own)
        {
            return Err(Unreadable::Foreign(format!("line {}: {other:?} is not {own:?}", line.number)));
        }
        let text = in_nanoseconds(line, precision);
        if text.len() > MAX_RECORD {
            return Err(Unreadable::TooLarge);
        }
        match records.last_mut() {
            Some(record) if room > 0 && record.len() + text.len() <= MAX_RECORD => {
                record.extend_from_slice(text.as_bytes());
                room -= 1;
            }
            _ => {
                records.push(text.into_bytes());
                room = MAX_LINES - 1;
            }
        }
    }
    Ok(records)
}

/// The line as it came, but for its time; with the line end.
fn in_nanoseconds(line: &Line<'_>, precision: Precision) -> String {
    match line.time_ns {
        Some(ns) if precision != Precision::Ns => {
            // The time is the last word of a line that has one.
            let head = line.raw.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
            format!("{head}{ns}\n")
        }
        _ => format!("{}\n", line.raw),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn text(records: &[Vec<u8>]) -> String {
        String::from_utf8(records.concat()).unwrap()
    }

    #[test]
    fn brings_times_to_nanoseconds_and_leaves_the_rest() {
        let body = b"m,t=a f=1 1700000000\n# note\n\nm s=\"a 5\nb\" -3\nm f=7  \n";
        let got = text(&records(body, Precision::S, None).unwrap());
        assert_eq!(got, "m,t=a f=1 1700000000000000000\nm s=\"a 5\nb\" -3000000000\nm f=7\n");
        assert_eq!(text(&records(b"m f=1 5", Precision::Ns, None).unwrap()), "m f=1 5\n");
    }

    #[test]
    fn names_the_lines_that_are_wrong() {
        let refused = records(b"m f=1\nm f=\nm f=2\nx", Precision::Ns, None).unwrap_err();
        let Unreadable::Syntax(message) = refused else { panic!("{refused:?}") };
        assert!(message.contains("line 2:") && message.contains("line 4:"), "{message}");
        assert!(matches!(records(b"\n#x\n", Precision::Ns, None), Err(Unreadable::Syntax(_))));
    }

    #[test]
    fn records_stay_small_and_end_with_whole_lines() {
        let line = format!("m s=\"{}\" 1\n", "x".repeat(1_000));
        let body = line.repeat(600);
        let got = records(body.as_bytes(), Precision::Ns, None).unwrap();
        assert_eq!(text(&got), body);
        assert!(got.len() == 3 && got.iter().all(|r| r.len() <= MAX_RECORD && r.ends_with(b"\n")));
        let many = "m f=1\n".repeat(MAX_LINES + 1);
        assert_eq!(records(many.as_bytes(), Precision::Ns, None).unwrap().len(), 2);
        let huge = format!("m s=\"{}\" 1", "x".repeat(MAX_RECORD));
        assert_eq!(records(huge.as_bytes(), Precision::Ns, None), Err(Unreadable::TooLarge));
    }

    #[test]
    fn a_device_may_only_write_its_own_lines() {
        let owner: Owner = Arc::new(|line| line.tag("dev").map(str::to_owned).into_iter().collect());
        let of = |body: &str| records(body.as_bytes(), Precision::Ns, Some(("bp-1", &owner)));
        assert!(of("m,dev=bp-1 f=1\nn f=2").is_ok(), "what no profile reads ends in quarantine by itself");
        let foreign = "line 2: \"victim\" is not \"bp-1\"".to_owned();
        assert_eq!(of("m,dev=bp-1 f=1\nm,device=bp-1,dev=victim f=2"), Err(Unreadable::Foreign(foreign)));
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_as_what_came(
            values in proptest::collection::vec((any::<i32>(), proptest::option::of(-4_000_000_000_i64..4_000_000_000)), 1..40),
        ) {
            let body: String = values
                .iter()
                .map(|(v, t)| format!("m,k=a f={v}i,s=\"q {v}\"{}\n", t.map_or(String::new(), |t| format!(" {t}"))))
                .collect();
            let kept = records(body.as_bytes(), Precision::Ms, None).unwrap().concat();
            let (came, read) = (parse(body.as_bytes(), Precision::Ms).unwrap(), parse(&kept, Precision::Ns).unwrap());
            prop_assert_eq!(came.len(), read.len());
            for (a, b) in came.iter().zip(&read) {
                prop_assert_eq!((&a.measurement, &a.tags, &a.fields, a.time_ns), (&b.measurement, &b.tags, &b.fields, b.time_ns));
            }
        }
    }
}
