//! Lines of the hospital's list become rows of the register, each judged as a registration by hand is.

use serde_json::json;

use crate::ids::ClassId;
use crate::inventory::{Change, Entered, Listed, Refused};
use crate::output::{AuditEntry, DeviceRow};
use crate::record::{Action, Record};

use super::Engine;

impl Engine {
    /// Enters lines, or only says what would become of them. A line that cannot be entered holds up no other.
    pub(super) fn import(
        &mut self,
        lines: &[Listed],
        dry_run: bool,
        action: &Action,
        record: &Record<'_>,
    ) -> Entered {
        let mut entered = Entered::default();
        for listed in lines {
            let (row, known) = match self.wanted_row(listed) {
                Ok(found) => found,
                Err(refused) => {
                    entered.refused.push(refused);
                    continue;
                }
            };
            match &known {
                None => entered.created += 1,
                Some(known) if *known == row => {
                    entered.unchanged += 1;
                    continue;
                }
                Some(_) => entered.changed += 1,
            }
            if dry_run {
                continue;
            }
            self.batch.audit(AuditEntry {
                seq: record.seq,
                index: 0,
                decided_at: record.now.wall,
                happened_at: action.happened_at,
                actor: action.actor.clone(),
                verb: "device.register".to_owned(),
                subject: row.device.to_string(),
                detail: json!({
                    "class": row.class, "profile": row.profile, "zone": row.zone, "firmware": row.firmware,
                    "line": listed.line,
                })
                .to_string(),
            });
            self.put_device(row, record.seq);
        }
        entered
    }

    /// The class that a line asks for, if it is another than the device has: a list moves no device to another class.
    fn other_class<'c>(&'c self, listed: &'c Listed, row: &DeviceRow) -> Option<&'c ClassId> {
        let of_profile = || Some(self.config.profile(listed.profile.as_ref()?)?.class());
        listed.class.as_ref().or_else(of_profile).filter(|class| **class != row.class)
    }

    /// The row that a line asks for, and the one that stands.
    fn wanted_row(&self, listed: &Listed) -> Result<(DeviceRow, Option<DeviceRow>), Refused> {
        let Listed { line, device, .. } = listed;
        let wrong = |column: &str, message: String, hint: String| Refused {
            line: *line,
            column: column.to_owned(),
            message,
            hint,
        };
        let known = self.register.find(device.as_str()).map(|number| self.register.get(number).row.clone());
        if known.as_ref().is_some_and(|row| row.revoked) {
            let hint = format!("`orderly device add {device}` puts it back, with a new secret");
            return Err(wrong("device", format!("{device:?} was taken off the register"), hint));
        }
        if let Some(row) = &known
            && let Some(class) = self.other_class(listed, row)
        {
            let message =
                format!("{device:?} is registered as {:?}, and the line makes it {class:?}", row.class);
            let hint = format!("if that is meant, `orderly device add {device} --class {class}` changes it");
            return Err(wrong(if listed.class.is_some() { "class" } else { "profile" }, message, hint));
        }
        let (class, profile) = match (&listed.class, &listed.profile, &known) {
            (_, None, Some(row)) => (row.class.clone(), row.profile.clone()),
            (None, None, None) => {
                let hint = "say its class or its profile".to_owned();
                return Err(wrong("class", format!("{device:?} is new, and nothing says what it is"), hint));
            }
            (Some(class), None, None) => match self.config.only_profile(class.as_str()) {
                Ok(profile) => (class.clone(), profile.id().clone()),
                Err((code, why)) => {
                    let column = if code == "ambiguous_profile" { "profile" } else { "class" };
                    return Err(wrong(column, why, String::new()));
                }
            },
            (class, Some(profile), _) => {
                let found = self.named_profile(profile).and_then(|found| {
                    let class = class.as_ref().unwrap_or(found.class());
                    Ok((class.clone(), self.wanted_profile(class, Some(profile))?))
                });
                found.map_err(|why| wrong("profile", why, String::new()))?
            }
        };
        if let Change::Set(zone) = &listed.zone {
            self.registry.knows(zone).map_err(|why| wrong("zone", why, String::new()))?;
        }
        let row = DeviceRow {
            device: device.clone(),
            class,
            profile,
            zone: listed.zone.over(known.as_ref().and_then(|row| row.zone.clone())),
            firmware: listed.firmware.over(known.as_ref().and_then(|row| row.firmware.clone())),
            epoch: known.as_ref().map_or(0, |row| row.epoch),
            credential: known.as_ref().and_then(|row| row.credential.clone()),
            // Who stands on the hospital's list was entered by a person.
            self_registered: false,
            revoked: false,
            commissioned_at: listed.commissioned_at.over(known.as_ref().and_then(|row| row.commissioned_at)),
        };
        Ok((row, known))
    }
}
