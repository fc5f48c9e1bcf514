//! Changes of the registry, each judged by itself and audited.

use serde_json::{Value, json};

use crate::ids::{DeviceId, ZoneId};
use crate::inventory::Refused;
use crate::output::AuditEntry;
use crate::record::{Action, Record};
use crate::registry::{Applied, Change, RefusedLine, Report};
use crate::time::Timestamp;

use super::Engine;

impl Engine {
    /// Makes changes; what they come from was compared with the registry before, so few are refused here.
    pub(super) fn change_registry(
        &mut self,
        changes: &[Change],
        action: &Action,
        record: &Record<'_>,
    ) -> Report {
        let mut report = Report::default();
        for (n, change) in (1..).zip(changes) {
            let key = match change {
                Change::Put(row) => row.key(),
                Change::Remove(key) => key.clone(),
            };
            let (verb, detail) = match change {
                Change::Put(row) => ("registry.put", serde_json::to_value(row).unwrap_or(Value::Null)),
                Change::Remove(_) => ("registry.remove", json!({})),
            };
            match self.registry.apply(change) {
                Ok(Applied::Unchanged) => report.count(Applied::Unchanged),
                Ok(applied) => {
                    report.count(applied);
                    self.batch.audit(AuditEntry {
                        seq: record.seq,
                        index: 0,
                        decided_at: record.now.wall,
                        happened_at: action.happened_at,
                        actor: action.actor.clone(),
                        verb: verb.to_owned(),
                        subject: format!("{} {}", key.table.name(), key.id),
                        detail: detail.to_string(),
                    });
                    self.batch.registry.push(change.clone());
                }
                Err(fault) => {
                    let column = fault.column.to_owned();
                    let refused =
                        Refused { line: n, column, hint: self.registry.hint(&fault), message: fault.message };
                    let file = format!("{} {}", key.table.name(), key.id);
                    report.refused.push(RefusedLine { file, refused });
                }
            }
        }
        report
    }

    /// Where a device was at a moment: the place that it watched, else the one of its row.
    pub(super) fn zone_of(&self, device: &DeviceId, row: Option<&ZoneId>, at: Timestamp) -> Option<ZoneId> {
        self.registry.zone_at(device, at).or(row).cloned()
    }
}
