//! A stranger becomes a device: it goes on the register, and what it said before is read now.

use std::sync::Arc;

use serde_json::json;

use crate::ids::{ClassId, DeviceId, ProfileId, ZoneId};
use crate::output::DeviceRow;
use crate::profile::{Decoded, Profile};
use crate::reading::Origin;
use crate::record::{Entry, Flags, Kind, Record, Sample};
use crate::time::Now;
use crate::topic::is_claim;

use super::Engine;
use super::decide::Outcome;
use super::input::{Item, Target};
use super::parts::Parts;

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
        let (mut read, mut left, mut index) = (0, 0, 0_u16);
        for sample in samples {
            let origin = Origin { seq: sample.seq, index: sample.index };
            if is_claim(&sample.address) {
                // It has served.
                self.batch.released.push(origin);
                continue;
            }
            if self.read_sample(number, &reader, sample, record, &mut index) {
                self.batch.released.push(origin);
                read += 1;
            } else {
                left += 1;
            }
        }
        self.touch_twin(number);
        Ok(json!({"device": device, "class": class, "profile": profile, "read": read, "left": left}))
    }

    /// Whether the sample could be read as a message of the device.
    fn read_sample(
        &mut self,
        number: usize,
        profile: &Arc<Profile>,
        sample: &Sample,
        record: &Record<'_>,
        index: &mut u16,
    ) -> bool {
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
        let decoded = match profile.decode(Self::input(&came, &sample.payload)) {
            Ok(decoded) if !decoded.is_empty() && decoded.iter().all(own) => decoded,
            Ok(_) | Err(_) => return false,
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
        kept
    }
}
