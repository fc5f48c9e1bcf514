//! Which version of its firmware a device had when a message came: what people entered, as the journal has it.

use std::collections::BTreeMap;

use crate::ids::{DeviceId, FirmwareId};
use crate::inventory::Change;
use crate::record::{Action, Kind, Order, Record, Seq};

/// The versions of all devices, one change after the other.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// The first record that was looked at.
    first: Option<Seq>,
    changes: BTreeMap<DeviceId, Vec<(Seq, Option<FirmwareId>)>>,
}

/// What is known of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'v> {
    /// This; `None`: nobody had entered any.
    Entered(Option<&'v FirmwareId>),
    /// The record that says it is no longer in the journal.
    Untold,
}

impl Versions {
    /// Takes note of a record. They come in order, from the beginning of the journal.
    pub fn note(&mut self, record: &Record<'_>) {
        self.first.get_or_insert(record.seq);
        if record.entry.kind != Kind::Action {
            return;
        }
        let Ok(action) = rmp_serde::from_slice::<Action>(record.entry.body) else { return };
        match action.order {
            Order::RegisterDevice { device, firmware: Some(firmware), .. } => {
                self.enter(device, record.seq, Some(firmware));
            }
            Order::ImportDevices { lines, dry_run: false } => {
                for line in lines {
                    match line.firmware {
                        Change::Keep => {}
                        Change::Clear => self.enter(line.device, record.seq, None),
                        Change::Set(firmware) => self.enter(line.device, record.seq, Some(firmware)),
                    }
                }
            }
            _ => {}
        }
    }

    fn enter(&mut self, device: DeviceId, seq: Seq, firmware: Option<FirmwareId>) {
        self.changes.entry(device).or_default().push((seq, firmware));
    }

    /// The version of a device when a record came. `now` is what stands on the register.
    ///
    /// What was entered last must be what stands; where it is not, an order was refused, and no answer is better than a
    /// wrong one.
    #[must_use]
    pub fn at<'v>(&'v self, device: &DeviceId, seq: Seq, now: Option<&'v FirmwareId>) -> Version<'v> {
        let Some(changes) = self.changes.get(device) else { return Version::Entered(now) };
        if changes.last().is_some_and(|(_, last)| last.as_ref() != now) {
            return Version::Untold;
        }
        let before = changes.iter().rfind(|(entered, _)| *entered <= seq);
        match (before, self.first) {
            (Some((_, firmware)), _) => Version::Entered(firmware.as_ref()),
            (None, Some(1)) => Version::Entered(None),
            (None, _) => Version::Untold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ActorId;
    use crate::inventory::Listed;
    use crate::record::{Entry, Flags};
    use crate::time::{Now, Timestamp};

    fn note(versions: &mut Versions, seq: Seq, order: Order) {
        let actor = ActorId::new("local-admin").unwrap();
        let action = Action { actor, happened_at: Timestamp(0), idempotency_key: "k".into(), order };
        let body = rmp_serde::to_vec(&action).unwrap();
        let entry = Entry {
            kind: Kind::Action,
            flags: Flags::default(),
            source: "control",
            connection: 0,
            address: "",
            body: &body,
        };
        versions.note(&Record { seq, now: Now { wall: Timestamp(0), steady_ms: 0, boot: 0 }, entry });
    }

    fn by_hand(firmware: Option<&str>) -> Order {
        Order::RegisterDevice {
            device: "f1".parse().unwrap(),
            class: "c".parse().unwrap(),
            profile: None,
            zone: None,
            credential: None,
            commissioned_at: None,
            firmware: firmware.map(|firmware| firmware.parse().unwrap()),
        }
    }

    fn listed(firmware: Change<FirmwareId>, dry_run: bool) -> Order {
        let line = Listed {
            line: 1,
            device: "f1".parse().unwrap(),
            class: None,
            profile: None,
            zone: Change::Keep,
            firmware,
            commissioned_at: Change::Keep,
        };
        Order::ImportDevices { lines: vec![line], dry_run }
    }

    #[test]
    fn a_version_counts_from_where_it_was_entered() {
        let firmware = |text: &str| -> FirmwareId { text.parse().unwrap() };
        let (one, two) = (firmware("1.0"), firmware("2.0"));
        let device: DeviceId = "f1".parse().unwrap();
        for first in [1, 7] {
            let mut versions = Versions::default();
            note(&mut versions, first, by_hand(None));
            assert_eq!(versions.at(&device, 9, Some(&one)), Version::Entered(Some(&one)), "never changed");
            note(&mut versions, 10, by_hand(Some("1.0")));
            note(&mut versions, 15, listed(Change::Set(two.clone()), true));
            note(&mut versions, 20, listed(Change::Set(two.clone()), false));
            note(&mut versions, 25, listed(Change::Keep, false));
            let before = if first == 1 { Version::Entered(None) } else { Version::Untold };
            assert_eq!(versions.at(&device, 9, Some(&two)), before);
            for (seq, version) in [(10, &one), (19, &one), (20, &two), (99, &two)] {
                assert_eq!(versions.at(&device, seq, Some(&two)), Version::Entered(Some(version)), "{seq}");
            }
            assert_eq!(
                versions.at(&device, 99, Some(&one)),
                Version::Untold,
                "what was entered last was refused"
            );
            note(&mut versions, 30, listed(Change::Clear, false));
            assert_eq!(versions.at(&device, 30, None), Version::Entered(None));
        }
    }
}
