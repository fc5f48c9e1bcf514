//! A stranger becomes a device: it goes on the register, and what it said before is read now.

use std::sync::Arc;

use serde_json::json;

use crate::ids::{ClassId, DeviceId, ProfileId, ZoneId};
use crate::output::DeviceRow;
use crate::profile::{Decoded, NO_FIRMWARE, Profile};
use crate::reading::Origin;
use crate::record::{Entry, Flags, Kind, Record, Sample};
use crate::time::Now;
use crate::topic::is_claim;

use super::Engine;
use super::decide::Outcome;
use super::parts::Parts;
use super::prepared::{Item, Target};

impl Engine {
    /// Registers a device and reads its samples as if it had been on the register when they came. Those that its
    /// profile cannot read stay in quarantine.
    pub(super) fn adopt(
        &mut self,
        (device, class, profile): (&DeviceId, &ClassId, &ProfileId),
        zone: Option<&ZoneId>,
        samples: &[Sample],
        record: &Record<'_>,
    ) -> Result<serde_json::Value, String> {
        if self.register.find(device.as_str()).is_some() {
            return Err(format!("{device:?} is on the register already"));
        }
        zone.map_or(Ok(()), |zone| self.registry.knows(zone))?;
        let row = DeviceRow {
            device: device.clone(),
            class: class.clone(),
            profile: self.wanted_profile(class, Some(profile))?,
            zone: zone.cloned(),
            firmware: None,
            epoch: 0,
            credential: None,
            self_registered: false,
            revoked: false,
            commissioned_at: None,
        };
        self.put_device(row, record.seq);
        let (number, reader) = self.find_device(device).and_then(|number| {
            let reader = self.register.get(number).profile.clone();
            Ok((number, reader.ok_or_else(|| format!("the profile {profile:?} is not loaded"))?))
        })?;
        let (mut read, mut left, mut index, mut why) = (0, 0, 0_u16, None);
        for sample in samples {
            let origin = Origin { seq: sample.seq, index: sample.index };
            if is_claim(&sample.address) {
                // It has served.
                self.batch.released.push(origin);
                continue;
            }
            match self.read_sample(number, &reader, sample, record, &mut index) {
                Ok(true) => {
                    self.batch.released.push(origin);
                    read += 1;
                }
                Ok(false) => left += 1,
                Err(reason) => {
                    left += 1;
                    why = Some(reason);
                }
            }
        }
        self.touch_twin(number);
        let mut done =
            json!({"device": device, "class": class, "profile": profile, "read": read, "left": left});
        if let (Some(why), Some(done)) = (why, done.as_object_mut()) {
            done.insert("why".to_owned(), json!(why));
        }
        Ok(done)
    }

    /// Whether the sample could be read as a message of the device. Where the profile has variants, and the sample does
    /// not tell its version, it cannot, and the reason is told: the register knows no version yet.
    fn read_sample(
        &mut self,
        number: usize,
        profile: &Arc<Profile>,
        sample: &Sample,
        record: &Record<'_>,
        index: &mut u16,
    ) -> Result<bool, String> {
        let entry = Entry {
            kind: Kind::Envelope,
            flags: Flags::default(),
            source: &sample.source,
            connection: 0,
            address: &sample.address,
            body: &sample.payload,
        };
        // It was received when it came, not when somebody took the device on.
        let came = Record { seq: record.seq, now: Now { wall: sample.received_at, ..record.now }, entry };
        let name = self.register.get(number).row.device.clone();
        let own = |decoded: &Decoded| decoded.device.as_ref().is_none_or(|device| *device == name);
        let firmware = self.register.get(number).row.firmware.as_ref();
        let decoded = match profile.decode_for(Self::input(&came, &sample.payload), firmware) {
            Ok(decoded) if !decoded.is_empty() && decoded.iter().all(own) => decoded,
            Err(error) if error.code == NO_FIRMWARE => return Err(error.reason),
            Ok(_) | Err(_) => return Ok(false),
        };
        let mut parts = Parts::default();
        let mut kept = false;
        for decoded in decoded {
            let target = Target::Known(number);
            let item = Item { target, profile: Arc::clone(profile), decoded, index: *index, lookup: None };
            *index = index.saturating_add(1);
            kept |=
                matches!(self.decide(number, &came, item, &[], &mut parts), Outcome::Kept | Outcome::Repeat);
        }
        Ok(kept)
    }
}
