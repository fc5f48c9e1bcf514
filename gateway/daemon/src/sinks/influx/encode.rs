//! Readings to a chunk of lines, and parts of it to compressed requests.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use orderly_core::ids::{DeviceId, SiteId, StreamId};
use orderly_core::reading::{Origin, Reading};
use orderly_core::record::Seq;

use super::point::{self, Fields};

/// Most streams whose last millisecond is remembered; past it the memory begins anew.
const MOST_REMEMBERED: usize = 200_000;

/// Lines ready to be sent, each with where it came from.
#[derive(Debug, Default)]
pub struct Chunk {
    text: Vec<u8>,
    /// End of each line in `text`.
    ends: Vec<usize>,
    /// Origin and device of each line.
    from: Vec<(Origin, DeviceId)>,
    /// The first and the last record of which a correction is among the lines.
    pub corrections: Option<(Seq, Seq)>,
    /// Readings that have no line, with code and reason.
    pub unwritable: Vec<(Origin, DeviceId, &'static str, String)>,
}

impl Chunk {
    /// Number of lines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no line in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The reading of a line.
    #[must_use]
    pub fn origin(&self, line: usize) -> (Origin, DeviceId) {
        let (origin, device) = &self.from[line];
        (*origin, device.clone())
    }

    /// The text of a line.
    #[must_use]
    pub fn line(&self, line: usize) -> String {
        String::from_utf8_lossy(self.bytes(line..line + 1)).trim_end().to_owned()
    }

    /// The text of some lines.
    #[must_use]
    pub fn bytes(&self, lines: Range<usize>) -> &[u8] {
        let start = lines.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = lines.end.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.text[start..end.max(start)]
    }
}

/// Compresses with gzip at level 1: measured at 3.6 M lines a second, and stores take it everywhere.
#[must_use]
pub fn gzip(text: &[u8]) -> Bytes {
    let mut out = GzEncoder::new(Vec::with_capacity(text.len() / 6 + 64), Compression::fast());
    // Writing into memory does not fail.
    drop(out.write_all(text));
    Bytes::from(out.finish().unwrap_or_default())
}

/// Turns readings into lines and remembers what it must about earlier ones.
#[derive(Debug)]
pub struct Encoder {
    site: SiteId,
    fields: Fields,
    milliseconds_only: bool,
    /// The last millisecond of each stream and the identity that took it.
    taken: HashMap<(DeviceId, StreamId), (i64, u32)>,
}

impl Encoder {
    /// An encoder without memory. `milliseconds_only`: the store drops what is finer.
    #[must_use]
    pub fn new(site: SiteId, fields: Fields, milliseconds_only: bool) -> Self {
        Self { site, fields, milliseconds_only, taken: HashMap::new() }
    }

    /// Appends the reading to the chunk.
    pub fn push(&mut self, chunk: &mut Chunk, reading: &Reading) {
        if self.milliseconds_only && self.collides(reading) {
            let why =
                "the store keeps milliseconds only, and another reading of this stream has the same one";
            let refused = (reading.origin, reading.device.clone(), "same_millisecond", why.to_owned());
            chunk.unwritable.push(refused);
            return;
        }
        match point::write(&mut chunk.text, &self.site, reading, self.fields) {
            Ok(()) => {
                chunk.ends.push(chunk.text.len());
                chunk.from.push((reading.origin, reading.device.clone()));
                if reading.is_correction() {
                    let seq = reading.origin.seq;
                    chunk.corrections = Some((chunk.corrections.map_or(seq, |(first, _)| first), seq));
                }
            }
            Err(why) => {
                let refused = (reading.origin, reading.device.clone(), "unwritable", why.to_string());
                chunk.unwritable.push(refused);
            }
        }
    }

    /// Whether another reading of the stream took the same millisecond. A repeat of the same one does not collide.
    fn collides(&mut self, reading: &Reading) -> bool {
        if self.taken.len() >= MOST_REMEMBERED {
            self.taken.clear();
        }
        let key = (reading.device.clone(), reading.stream.clone());
        let (ms, identity) = (reading.taken_at.0, reading.offset_ns);
        let before = self.taken.entry(key).or_insert((ms, identity));
        if before.0 == ms {
            return before.1 != identity;
        }
        *before = (ms, identity);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::point::tests::reading;
    use super::*;

    fn encoder(milliseconds_only: bool) -> Encoder {
        Encoder::new(SiteId::new("main").unwrap(), Fields::All, milliseconds_only)
    }

    #[test]
    fn a_point_that_is_written_again_says_its_quality_whatever_came_before() {
        let mut bad = reading("a", 2, 2.0);
        bad.values[0].quality = orderly_core::value::Quality::Bad;
        let (mut before, mut after) = (Chunk::default(), Chunk::default());
        encoder(false).push(&mut before, &bad);
        // Another run of the gateway, that has seen nothing bad.
        encoder(false).push(&mut after, &reading("a", 2, 2.0));
        assert!(before.line(0).contains("quality=\"bad\""));
        assert!(after.line(0).contains("quality=\"good\""));
    }

    #[test]
    fn the_second_of_one_millisecond_is_reported_where_the_store_would_drop_the_first() {
        let first = reading("a", 1, 1.0);
        let mut second = reading("a", 1, 2.0);
        (second.offset_ns, second.origin.seq) = (first.offset_ns + 1, 9);
        for (milliseconds_only, lines) in [(false, 3), (true, 2)] {
            let (mut encoder, mut chunk) = (encoder(milliseconds_only), Chunk::default());
            for r in [&first, &second, &first] {
                encoder.push(&mut chunk, r);
            }
            assert_eq!(chunk.len(), lines, "a repeat of the same reading does not collide");
            assert_eq!(chunk.unwritable.len(), 3 - lines);
            assert!(chunk.unwritable.iter().all(|u| u.0.seq == 9 && u.2 == "same_millisecond"));
        }
    }

    #[test]
    fn parts_of_a_chunk_are_whole_lines() {
        let (mut encoder, mut chunk) = (encoder(false), Chunk::default());
        for n in 0..5 {
            encoder.push(&mut chunk, &reading("a", n, n as f64));
        }
        let all = String::from_utf8(chunk.bytes(0..5).to_vec()).unwrap();
        let parts = [chunk.bytes(0..2), chunk.bytes(2..3), chunk.bytes(3..5)].concat();
        assert_eq!(all.as_bytes(), parts);
        assert_eq!(all.lines().count(), 5);
        assert_eq!(chunk.line(2), all.lines().nth(2).unwrap());
        assert!(chunk.bytes(3..3).is_empty());
    }
}
