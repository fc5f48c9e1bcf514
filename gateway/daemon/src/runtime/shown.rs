//! What the API shows of a device, made from its row and its twin: both are of the same commit.
//!
//! Latest values come from the twin and not from `series.db`, which follows the commits at its own pace: a page
//! that is told of a commit must find that commit's values.

use orderly_core::alert::Condition;
use orderly_core::output::DeviceRow;
use orderly_core::reading::Reading;
use orderly_core::rule::Phase;
use orderly_core::time::Timestamp;
use orderly_core::twin::{Latest, SILENT_AFTER, StreamTwin, Twin, TwinError, decode};

use crate::api::{DeviceView, TwinRule, TwinStream, TwinView};

/// A device with the latest reading of each of its streams; `expect_ms` is how often it should report.
pub fn device(
    row: DeviceRow,
    twin: Option<&[u8]>,
    expect_ms: Option<i64>,
    now: Timestamp,
) -> Result<DeviceView, TwinError> {
    let twin = twin.map(decode).transpose()?.map(|(twin, _)| twin);
    let last_seen = twin.as_ref().and_then(last_seen);
    let online = twin.as_ref().and_then(|twin| online(twin, expect_ms, now));
    let latest = twin.map(|twin| latest(&row, twin)).transpose()?.unwrap_or_default();
    Ok(DeviceView { row, online, last_seen, expect_ms, latest })
}

/// The state of a device as the engine keeps it.
pub fn twin(
    row: &DeviceRow,
    blob: &[u8],
    expect_ms: Option<i64>,
    now: Timestamp,
) -> Result<TwinView, TwinError> {
    let (twin, layout) = decode(blob)?;
    let tracks = layout.rules().into_iter().zip(&twin.rules.tracks);
    let rules = tracks.filter_map(|(rule, track)| {
        let condition = match track.phase {
            Phase::Calm => return None,
            Phase::Pending => Condition::Pending,
            Phase::Firing | Phase::Clearing => Condition::Firing,
        };
        Some(TwinRule { rule, condition, since: Some(track.began) })
    });
    let rules = rules.collect();
    let (last_seen, online) = (last_seen(&twin), online(&twin, expect_ms, now));
    let stream = |s: StreamTwin| {
        let latest = s.latest.map(|held| held.read()).transpose()?;
        Ok(TwinStream {
            watermark: s.watermark,
            latest: latest.map(|latest| reading(row, &s.stream, latest)),
            stream: s.stream,
        })
    };
    let mut streams = twin.streams.into_iter().map(stream).collect::<Result<Vec<_>, TwinError>>()?;
    streams.sort_by(|a, b| a.stream.cmp(&b.stream));
    Ok(TwinView { device: row.device.clone(), online, last_seen, streams, rules })
}

fn last_seen(twin: &Twin) -> Option<Timestamp> {
    twin.source.map(|_| twin.heard_at)
}

/// Whether it is there; not known of a device that was never heard, or that promised nothing.
fn online(twin: &Twin, expect_ms: Option<i64>, now: Timestamp) -> Option<bool> {
    let seen = last_seen(twin)?;
    if twin.said_offline {
        return Some(false);
    }
    expect_ms.map(|every| now.since(seen) <= every.saturating_mul(SILENT_AFTER))
}

fn latest(row: &DeviceRow, twin: Twin) -> Result<Vec<Reading>, TwinError> {
    let mut latest = Vec::with_capacity(twin.streams.len());
    for stream in twin.streams {
        if let Some(held) = stream.latest {
            latest.push(reading(row, &stream.stream, held.read()?));
        }
    }
    latest.sort_by(|a, b| a.stream.cmp(&b.stream));
    Ok(latest)
}

/// The reading as far as a page shows it; where it goes in a store outside is not known here.
fn reading(row: &DeviceRow, stream: &orderly_core::ids::StreamId, latest: Latest) -> Reading {
    Reading {
        origin: latest.origin,
        device: row.device.clone(),
        class: row.class.clone(),
        epoch: latest.epoch,
        stream: stream.clone(),
        device_time: latest.device_time,
        taken_at: latest.taken_at,
        received_at: latest.received_at,
        sequence: latest.sequence,
        offset_ns: 0,
        profile: 0,
        marks: latest.marks,
        replaces: None,
        zone: row.zone.clone(),
        values: latest.values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orderly_core::ids::Id;
    use orderly_core::reading::{Marks, Measured, Origin};
    use orderly_core::rule::Layout;
    use orderly_core::twin::{Held, encode};
    use orderly_core::value::{Quality, Value};

    const SEEN: Timestamp = Timestamp(1_795_219_200_000);

    fn row() -> DeviceRow {
        DeviceRow {
            device: Id::new("bp-0001").expect("a name"),
            class: Id::new("bp_meter").expect("a name"),
            profile: Id::new("orderly-bp-1").expect("a name"),
            zone: None,
            epoch: 2,
            credential: None,
            self_registered: false,
            revoked: false,
            commissioned_at: None,
            firmware: None,
        }
    }

    fn stream(name: &str, sys: f64) -> StreamTwin {
        let mut stream = StreamTwin::new(Id::new(name).expect("a name"), 2);
        let latest = Latest {
            origin: Origin { seq: 7, index: 0 },
            epoch: 2,
            device_time: None,
            taken_at: SEEN,
            received_at: SEEN,
            sequence: None,
            marks: Marks::default(),
            values: std::iter::once(Measured {
                metric: Id::new("sys").expect("a name"),
                value: Value::Number(sys),
                unit: "mm[Hg]".into(),
                quality: Quality::Good,
                reason: None,
                raw: None,
            })
            .collect(),
        };
        stream.latest = Some(Held::new(&reading(&row(), &stream.stream, latest)));
        stream
    }

    fn heard() -> Twin {
        Twin {
            streams: vec![stream("b", 2.0), stream("a", 1.0)],
            heard_at: SEEN,
            source: Some(0),
            ..Twin::default()
        }
    }

    fn shown(twin: &Twin, expect_ms: Option<i64>, later_ms: i64) -> DeviceView {
        let blob = encode(twin, &Layout::default());
        device(row(), Some(&blob), expect_ms, SEEN.plus_ms(later_ms)).expect("can be read")
    }

    #[test]
    fn the_latest_values_are_those_of_the_twin_by_stream() {
        let view = shown(&heard(), None, 0);
        let values: Vec<_> =
            view.latest.iter().map(|r| (r.stream.as_str(), r.values[0].value.clone())).collect();
        assert_eq!(values, [("a", Value::Number(1.0)), ("b", Value::Number(2.0))]);
        assert_eq!(view.last_seen, Some(SEEN));
        assert_eq!(view.latest[0].epoch, 2);
    }

    #[test]
    fn presence_follows_what_was_promised() {
        assert_eq!(shown(&heard(), Some(60_000), 180_000).online, Some(true));
        assert_eq!(shown(&heard(), Some(60_000), 180_001).online, Some(false));
        assert_eq!(shown(&heard(), None, i64::MAX).online, None);
        let gone = Twin { said_offline: true, ..heard() };
        assert_eq!(shown(&gone, Some(60_000), 0).online, Some(false));
        let never = Twin { source: None, ..Twin::default() };
        let view = shown(&never, Some(60_000), 0);
        assert_eq!((view.online, view.last_seen), (None, None));
        let none = device(row(), None, Some(1), SEEN).expect("no twin yet");
        assert_eq!((none.online, none.latest.len()), (None, 0));
    }

    #[test]
    fn a_damaged_twin_is_an_error_not_an_empty_device() {
        assert!(device(row(), Some(&[1, 2, 3]), None, SEEN).is_err());
        assert!(twin(&row(), &[], None, SEEN).is_err());
    }
}
