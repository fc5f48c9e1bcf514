//! The rule state of a twin as bytes: most tracks are calm, most values short.

use crate::rule::{Base, Kept, NEVER, Phase, Raised, RuleState, Track, put_windows, read_windows};
use crate::time::Timestamp;
use crate::wire::{DecodeError, Reader, put_number, put_varint, put_zigzag};

use super::codec::{many, option, put_option, put_time, small, time};

const DUE: u8 = 4;
const MOVED: u8 = 8;
const LIFE: u8 = 16;
const EDGE: u8 = 32;
const CLOSED: u8 = 64;

pub(super) fn put(out: &mut Vec<u8>, rules: &RuleState) {
    put_values(out, &rules.values);
    put_tracks(out, &rules.tracks);
    put_option(out, rules.base.as_deref(), |out, base| {
        put_values(out, &base.values);
        put_tracks(out, &base.tracks);
        put_time(out, base.at);
    });
    rules.kept.put(out);
    put_varint(out, rules.raised.len() as u64);
    for raised in &rules.raised {
        put_varint(out, u64::from(raised.rule));
        put_time(out, raised.began);
        put_time(out, raised.fired);
        put_option(out, raised.ended, put_time);
    }
    if is_plain(rules) {
        return;
    }
    put_option(out, rules.looked, put_time);
    put_windows(out, &rules.windows);
    if let Some(base) = rules.base.as_deref() {
        put_windows(out, &base.windows);
    }
}

/// Whether there is nothing in it that only the newer format can say.
pub(super) fn is_plain(rules: &RuleState) -> bool {
    let plain = |track: &Track| track.edge == NEVER && !track.closed;
    rules.looked.is_none() && rules.windows.is_empty() && rules.tracks.iter().all(plain)
}

pub(super) fn read(r: &mut Reader<'_>, plain: bool) -> Result<RuleState, DecodeError> {
    let values = many(r, value)?;
    let tracks = read_tracks(r)?;
    let mut base = option(r, |r| {
        let (values, tracks) = (many(r, value)?, read_tracks(r)?);
        Ok(Box::new(Base { values, tracks, windows: Vec::new(), at: time(r)? }))
    })?;
    let kept = Kept::read(r)?;
    let raised = many(r, |r| {
        Ok(Raised { rule: small(r, "rule")?, began: time(r)?, fired: time(r)?, ended: option(r, time)? })
    })?;
    let mut state = RuleState { values, tracks, kept, raised, ..RuleState::default() };
    if !plain {
        state.looked = option(r, time)?;
        state.windows = read_windows(r)?;
        if let Some(base) = base.as_deref_mut() {
            base.windows = read_windows(r)?;
        }
    }
    state.base = base;
    Ok(state)
}

fn put_values(out: &mut Vec<u8>, values: &[f64]) {
    put_varint(out, values.len() as u64);
    for value in values {
        put_option(out, Some(*value).filter(|value| value.is_finite()), put_number);
    }
}

/// A slot's value; NaN: never seen.
fn value(r: &mut Reader<'_>) -> Result<f64, DecodeError> {
    Ok(option(r, |r| r.number())?.unwrap_or(f64::NAN))
}

/// Mostly calm, and all of one life.
fn put_tracks(out: &mut Vec<u8>, tracks: &[Track]) {
    put_varint(out, tracks.len() as u64);
    let mut of_life = 0;
    for track in tracks {
        // All fields by name: a new one must find its place here.
        let Track { phase, stream, began, mark, due, life, edge, closed } = *track;
        let moved = (stream, began, mark) != (0, Timestamp(0), Timestamp(0));
        let phase = match phase {
            Phase::Calm => 0,
            Phase::Pending => 1,
            Phase::Firing => 2,
            Phase::Clearing => 3,
        };
        let flag = |so: bool, flag: u8| if so { flag } else { 0 };
        let hours = flag(edge != NEVER, EDGE) | flag(closed, CLOSED);
        out.push(phase | flag(due != NEVER, DUE) | flag(moved, MOVED) | flag(life != of_life, LIFE) | hours);
        if moved {
            out.push(stream);
            put_time(out, began);
            put_time(out, mark);
        }
        if due != NEVER {
            put_zigzag(out, due);
        }
        if life != of_life {
            put_varint(out, u64::from(life));
            of_life = life;
        }
        if edge != NEVER {
            put_zigzag(out, edge);
        }
    }
}

fn read_tracks(r: &mut Reader<'_>) -> Result<Vec<Track>, DecodeError> {
    let mut life = 0;
    many(r, |r| track(r, &mut life))
}

fn track(r: &mut Reader<'_>, of_life: &mut u32) -> Result<Track, DecodeError> {
    let flags = r.u8()?;
    let mut track = Track {
        phase: match flags & 3 {
            0 => Phase::Calm,
            1 => Phase::Pending,
            2 => Phase::Firing,
            _ => Phase::Clearing,
        },
        ..Track::default()
    };
    if flags & MOVED != 0 {
        track.stream = r.u8()?;
        track.began = time(r)?;
        track.mark = time(r)?;
    }
    if flags & DUE != 0 {
        track.due = r.zigzag()?;
    }
    if flags & LIFE != 0 {
        *of_life = small(r, "life")?;
    }
    track.life = *of_life;
    if flags & EDGE != 0 {
        track.edge = r.zigzag()?;
    }
    track.closed = flags & CLOSED != 0;
    Ok(track)
}
