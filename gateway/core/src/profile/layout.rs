//! Where in a payload each wanted thing stands, for each codec.

use std::sync::Arc;

use crate::codec::json::{Limits, Paths};
use crate::diagnostic::Section;
use crate::ids::StreamId;

/// How payloads of a profile are written.
#[derive(Debug)]
pub enum Codec {
    /// JSON.
    Json,
}

/// The kinds of place that a codec knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    Json,
}

/// Where one wanted thing stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Path(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
        }
    }
}

impl Places {
    /// Reads where a thing stands; `None` when nothing is said (or it is wrong, which is then reported).
    pub(super) fn read(self, section: &Section<'_, '_>) -> Option<Place> {
        match self {
            Self::Json => {
                let path = section.text("path")?;
                if let Err(error) = Paths::new([path], Limits::default()) {
                    section.wrong("path", error.to_string(), None);
                    return None;
                }
                Some(Place::Path(path.to_owned()))
            }
        }
    }

    /// The key by which a place is given, for messages.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Json => "path",
        }
    }
}

/// What else than metrics is wanted of a payload.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub metrics: Vec<Place>,
    pub time: Option<Place>,
    pub sequence: Option<Place>,
    pub boot: Option<Place>,
    pub device: Option<Place>,
    pub stream: Option<Place>,
}

/// All places, compiled. Metrics come first, in their order; then the others, each at its slot.
#[derive(Debug)]
pub(super) struct Layout {
    pub picker: Picker,
    pub time: Option<usize>,
    pub sequence: Option<usize>,
    pub boot: Option<usize>,
    pub device: Option<usize>,
    pub stream: Option<usize>,
    /// The stream when neither topic nor payload names one.
    pub default_stream: StreamId,
    /// Streams seen in tests and profiles, so that a known name costs no allocation.
    pub names: Vec<(Arc<str>, StreamId)>,
}

/// What picks values out of a payload.
#[derive(Debug)]
pub(super) enum Picker {
    Json(Paths),
}

impl Layout {
    pub(super) fn new(places: Places, wanted: Wanted, default_stream: StreamId) -> Result<Self, String> {
        let mut all = wanted.metrics;
        let mut slot = |place: Option<Place>| {
            place.map(|place| {
                all.push(place);
                all.len() - 1
            })
        };
        let (time, sequence, boot) = (slot(wanted.time), slot(wanted.sequence), slot(wanted.boot));
        let (device, stream) = (slot(wanted.device), slot(wanted.stream));
        let picker = match places {
            Places::Json => {
                let paths = all.iter().map(|Place::Path(path)| path.as_str());
                Picker::Json(Paths::new(paths, Limits::default()).map_err(|e| e.to_string())?)
            }
        };
        let names = vec![(Arc::from(default_stream.as_str()), default_stream.clone())];
        Ok(Self { picker, time, sequence, boot, device, stream, default_stream, names })
    }
}
