//! Claim codes: a person who holds an unknown device types what is printed on it, and so says which one it is.
//!
//! A device says its code on its own topic `up/claim`, as a text, as `{"code":".."}`, or as `{"sha256":".."}` of
//! `<device>:<CODE>` so that the code stands nowhere. What names the device anyway counts as well where it is printed:
//! its address with or without separators, or the text that LoRaWAN devices carry as a QR code (TR005).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use orderly_core::ids::{DeviceId, ProfileId, ZoneId};
use orderly_core::profile::Profile;
use orderly_core::record::Order;
use orderly_core::time::{Now, Timestamp};
use orderly_core::topic::is_claim;
use orderly_store::keys::KeyRing;
use orderly_store::state::{QuarantineRow, StateReader};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::strangers::{self, payload, samples};
use crate::api::ClaimRefused;

/// A device is at hand when it spoke within this time.
const AT_HAND_MS: i64 = 3_600_000;
/// The shortest and the longest code, without separators.
const LENGTH: std::ops::RangeInclusive<usize> = 6..=128;
/// So many wrong codes within the span, and nobody may try for a while.
const TRIES: usize = 5;
const SPAN_MS: u64 = 600_000;

/// What a person says to claim a device.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is printed on it.
    pub code: String,
    /// Its name, where several say the same code.
    pub device: Option<DeviceId>,
    /// Its profile; without it the only one that fits.
    pub profile: Option<ProfileId>,
    /// Where it is.
    pub zone: Option<ZoneId>,
}

/// Counts wrong codes, whoever types them: a code is short, and must not be found by trying.
#[derive(Debug, Default)]
pub struct Claims(Mutex<VecDeque<u64>>);

impl Claims {
    /// The order that takes on the device with this code. A wrong code is an order too: it is refused and audited.
    ///
    /// # Errors
    /// Why no order comes of it.
    pub fn order(
        &self,
        state: &StateReader,
        profiles: &[Arc<Profile>],
        keys: &KeyRing,
        now: Now,
        asked: Asked,
    ) -> Result<Order, ClaimRefused> {
        let code = printed(&asked.code);
        if !LENGTH.contains(&code.len()) {
            return Err(ClaimRefused::wrong(
                "a code has 6 to 128 letters and digits; see the label of the device",
            ));
        }
        self.begin(now.steady_ms)?;
        let found =
            with_code(state, keys, &code, now.wall, asked.device.as_ref()).map_err(ClaimRefused::wrong)?;
        let device = match found.as_slice() {
            [] => return Ok(Order::WrongClaim { tries: self.tries() }),
            [one] => one,
            many => {
                self.right();
                let names: Vec<&str> = many.iter().map(|device| device.as_str()).collect();
                let why = format!("{} devices have this code: {}; name one", many.len(), names.join(", "));
                return Err(ClaimRefused::wrong(why));
            }
        };
        self.right();
        let order = strangers::adoption(state, profiles, keys, device, asked.profile.as_ref(), asked.zone);
        match order.map_err(ClaimRefused::wrong)? {
            Order::AdoptDevice { device, class, profile, zone, samples, .. } => {
                Ok(Order::AdoptDevice { device, class, profile, zone, samples, claimed: true })
            }
            other => Ok(other),
        }
    }

    /// Counts a try as a wrong one until it is known to be right.
    fn begin(&self, now_ms: u64) -> Result<(), ClaimRefused> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tries.front().is_some_and(|then| now_ms.saturating_sub(*then) >= SPAN_MS) {
            tries.pop_front();
        }
        match tries.front() {
            Some(first) if tries.len() >= TRIES => {
                let minutes = (first + SPAN_MS).saturating_sub(now_ms).div_ceil(60_000);
                Err(ClaimRefused {
                    limited: true,
                    why: format!("{TRIES} wrong codes were typed; try again in {minutes} min"),
                })
            }
            _ => {
                tries.push_back(now_ms);
                Ok(())
            }
        }
    }

    fn right(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_back();
    }

    fn tries(&self) -> u32 {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        u32::try_from(tries).unwrap_or(u32::MAX)
    }
}

/// The unknown devices at hand that have this code.
fn with_code(
    state: &StateReader,
    keys: &KeyRing,
    code: &str,
    now: Timestamp,
    device: Option<&DeviceId>,
) -> Result<Vec<DeviceId>, String> {
    let has = |(name, rows): &(DeviceId, Vec<QuarantineRow>)| {
        let at_hand = |row: &&QuarantineRow| now.since(row.received_at) <= AT_HAND_MS;
        let said = rows.iter().rev().find(|row| is_claim(&row.address)).filter(at_hand);
        let spoke = rows.last().filter(at_hand).is_some();
        said.is_some_and(|row| says(&payload(row, keys), name, code)) || spoke && plain(name.as_str()) == code
    };
    let found = samples(state)?.into_iter().filter(has).map(|(name, _)| name);
    Ok(found.filter(|name| device.is_none_or(|wanted| wanted == name)).collect())
}

/// What a device says of its code.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    code: Option<String>,
    sha256: Option<String>,
}

fn says(said: &[u8], device: &DeviceId, code: &str) -> bool {
    let Ok(text) = std::str::from_utf8(said) else { return false };
    match serde_json::from_str::<Said>(text) {
        Ok(Said { sha256: Some(hash), .. }) => {
            let wanted = Sha256::new().chain_update(format!("{device}:{code}")).finalize();
            let wanted: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
            hash.eq_ignore_ascii_case(&wanted)
        }
        Ok(Said { code: Some(said), .. }) => plain(&said) == code,
        Ok(_) | Err(_) => plain(text) == code,
    }
}

/// What counts of a label: of the text of a LoRaWAN QR code (`LW:D0:<JoinEUI>:<DevEUI>:..`) the device's own address.
fn printed(code: &str) -> String {
    let parts: Vec<&str> = code.trim().split(':').collect();
    match parts.as_slice() {
        ["LW", "D0", join, device, ..] if join.len() == 16 && device.len() == 16 => plain(device),
        _ => plain(code),
    }
}

/// Letters and digits, in capitals: separators are there for people.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_as_people_type_it() {
        assert_eq!(printed(" 7k4m-2q9x "), "7K4M2Q9X");
        assert_eq!(printed("24:E1:24:13:6b:50:22:17"), "24E124136B502217");
        assert_eq!(
            printed("LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:SYYWWNNNNNN"),
            "AABBCCDDEEFF0011"
        );
    }

    #[test]
    fn five_wrong_codes_and_nobody_may_try_for_ten_minutes() {
        let claims = Claims::default();
        for minute in 0..5 {
            assert!(claims.begin(minute * 60_000).is_ok());
        }
        let refused = claims.begin(300_000).unwrap_err();
        assert_eq!(refused.why, "5 wrong codes were typed; try again in 5 min");
        assert!(refused.limited);
        assert!(claims.begin(600_000).is_ok(), "the first of them is over");
        claims.right();
        assert!(claims.begin(600_001).is_ok(), "a right one does not count");
    }
}
