//! Devices that speak and are on no register: what they said stands in quarantine, and somebody may take them on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_core::ids::{ClassId, DeviceId, ProfileId, ZoneId};
use orderly_core::profile::{Profile, suggest};
use orderly_core::record::{Order, Sample};
use orderly_core::refusal::{self, Part};
use orderly_core::sealed::{self, HEAD};
use orderly_core::topic::{Topic, is_claim};
use orderly_store::keys::{About, KeyRing};
use orderly_store::state::{QuarantineFilter, QuarantineRow, StateReader};

use crate::api::Stranger;

/// The reasons for which a message of an unknown device stands in quarantine.
const CODES: [&str; 3] = ["unknown_device", "unknown_class", "ambiguous_profile"];
/// So many rows of each are looked at, the newest first.
const LOOK: usize = 5_000;
/// So many samples are read when a device is taken on, and so many bytes of them: they go into one record.
const SAMPLES: usize = 1_000;
const SAMPLE_BYTES: usize = 1 << 20;
/// Quarantine keeps the beginning of a payload; what is as long as this was cut, and cannot be read again.
const CUT: usize = 4_096;
/// So many profiles are suggested.
const SUGGESTED: usize = 5;

/// What stands in quarantine of each unknown device, the oldest first.
pub(super) fn samples(state: &StateReader) -> Result<BTreeMap<DeviceId, Vec<QuarantineRow>>, String> {
    let mut devices: BTreeMap<DeviceId, Vec<QuarantineRow>> = BTreeMap::new();
    for code in CODES {
        let filter =
            QuarantineFilter { code: Some(code.to_owned()), limit: LOOK, ..QuarantineFilter::default() };
        for row in state.quarantine(&filter).map_err(|e| e.to_string())? {
            if let Some(device) = device_of(&row) {
                devices.entry(device).or_default().push(row);
            }
        }
    }
    let known = state.devices().map_err(|e| e.to_string())?;
    for row in &known {
        devices.remove(&row.device);
    }
    for rows in devices.values_mut() {
        rows.sort_by_key(|row| (row.seq, row.index));
    }
    Ok(devices)
}

/// Whose message it was, as far as the reason or the topic says so.
fn device_of(row: &QuarantineRow) -> Option<DeviceId> {
    if let Some(said) = refusal::read(&row.reason).filter(|said| said.code == "unknown_device")
        && let Some(Part::Text(device)) = said.params.get("device")
    {
        return DeviceId::new(device).ok();
    }
    DeviceId::new(Topic::parse(&row.address).ok()?.device).ok()
}

fn class_of(row: &QuarantineRow) -> Option<ClassId> {
    ClassId::new(Topic::parse(&row.address).ok()?.class).ok()
}

/// What a message said, as far as it was kept; what is sealed is opened in memory and shown nowhere.
pub(super) fn payload<'r>(row: &'r QuarantineRow, keys: &KeyRing) -> Cow<'r, [u8]> {
    if !sealed::is_sealed(&row.excerpt) {
        return Cow::Borrowed(&row.excerpt);
    }
    let about = About { source: &row.source, address: &row.address };
    Cow::Owned(keys.open_body(about, &row.excerpt).unwrap_or_default())
}

/// Whether the whole message was kept.
fn is_whole(row: &QuarantineRow) -> bool {
    let bytes = row.excerpt.len();
    bytes < CUT && !(bytes == HEAD && sealed::is_sealed(&row.excerpt))
}

/// All unknown devices, with the profiles that read their newest message.
///
/// # Errors
/// When the state store cannot be read.
pub fn strangers(
    state: &StateReader,
    profiles: &[Arc<Profile>],
    keys: &KeyRing,
) -> Result<Vec<Stranger>, String> {
    let stranger = |(device, rows): (DeviceId, Vec<QuarantineRow>)| {
        let (first, last) = (rows.first()?, rows.iter().rev().find(|row| !is_claim(&row.address)));
        let last = last.or(rows.last())?;
        let mut suggestions = suggest(profiles, &last.address, &payload(last, keys), last.received_at);
        suggestions.truncate(SUGGESTED);
        Some(Stranger {
            device,
            class: class_of(last),
            samples: rows.len(),
            first_at: first.received_at,
            last_at: rows.last().map_or(last.received_at, |row| row.received_at),
            address: last.address.clone(),
            // A code is for who holds the device.
            excerpt: if is_claim(&last.address) { Vec::new() } else { last.excerpt.clone() },
            suggestions,
        })
    };
    Ok(samples(state)?.into_iter().filter_map(stranger).collect())
}

/// The order that takes a device on: by the profile that is named, or by the only one whose address fits.
///
/// # Errors
/// In a sentence, why it cannot be taken on so.
pub fn adoption(
    state: &StateReader,
    profiles: &[Arc<Profile>],
    keys: &KeyRing,
    device: &DeviceId,
    profile: Option<&ProfileId>,
    zone: Option<ZoneId>,
) -> Result<Order, String> {
    if let Some(known) = state.device(device).map_err(|e| e.to_string())? {
        // The engine knows whether this is the answer to an order that was carried out, or a second one.
        let (class, profile) = (known.class, known.profile);
        let (device, samples, claimed) = (known.device, Vec::new(), false);
        return Ok(Order::AdoptDevice { device, class, profile, zone, samples, claimed });
    }
    let rows = samples(state)?.remove(device).ok_or_else(|| {
        format!(
            "{device:?} is no unknown device; `orderly device unknown` lists those that are in quarantine"
        )
    })?;
    let told = rows.iter().rev().find(|row| !is_claim(&row.address));
    let newest = told.or(rows.last()).ok_or("nothing of it is in quarantine")?;
    let said = class_of(newest);
    let reader = match profile {
        Some(name) => profiles.iter().find(|known| known.id() == name).ok_or_else(|| {
            let known = profiles.iter().map(|known| known.id().as_str());
            let near = orderly_core::diagnostic::nearest(name.as_str(), known);
            format!(
                "there is no profile {name:?}{}",
                near.map_or(String::new(), |n| format!("; did you mean {n:?}?"))
            )
        })?,
        None if told.is_none() => only_of_class(profiles, said.as_ref())?,
        None => {
            let said = payload(newest, keys);
            let found = suggest(profiles, &newest.address, &said, newest.received_at);
            let fits: Vec<_> = found.iter().filter(|found| found.fits).collect();
            let best = |id: &ProfileId| profiles.iter().find(|known| known.id() == id);
            match fits.as_slice() {
                [one] => best(&one.profile).ok_or("the profile is gone")?,
                [] => return Err(format!("no profile reads what {device:?} sends; name one with --profile")),
                many => {
                    let names: Vec<_> = many.iter().map(|found| found.profile.as_str()).collect();
                    return Err(format!(
                        "{} profiles read {device:?}: {}; name one",
                        many.len(),
                        names.join(", ")
                    ));
                }
            }
        }
    };
    if let Some(class) = said.filter(|class| class != reader.class()) {
        let (name, own) = (reader.id(), reader.class());
        return Err(format!("{device:?} speaks as a {class:?}; the profile {name:?} is for {own:?}"));
    }
    let mut bytes = 0;
    let newest_first = rows.into_iter().rev().filter(is_whole).take(SAMPLES);
    let mut samples: Vec<Sample> = newest_first
        .take_while(|row| {
            bytes += row.excerpt.len() + row.address.len();
            bytes <= SAMPLE_BYTES
        })
        .map(|row| Sample {
            seq: row.seq,
            index: row.index,
            received_at: row.received_at,
            source: row.source,
            address: row.address,
            payload: row.excerpt,
        })
        .collect();
    samples.reverse();
    let (class, profile) = (reader.class().clone(), reader.id().clone());
    Ok(Order::AdoptDevice { device: device.clone(), class, profile, zone, samples, claimed: false })
}

/// The profile of a device that has said nothing yet but its class.
fn only_of_class<'p>(
    profiles: &'p [Arc<Profile>],
    class: Option<&ClassId>,
) -> Result<&'p Arc<Profile>, String> {
    let of_class = |profile: &&Arc<Profile>| Some(profile.class()) == class;
    let mut found = profiles.iter().filter(of_class).filter(|profile| profile.is_for_any_of_its_class());
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        _ => Err("it has sent no reading yet, so its profile must be named".to_owned()),
    }
}
