//! What people order: the register, and the handling of alerts.

use std::sync::Arc;

use serde_json::json;

use crate::alert::{Alert, Condition, Handling};
use crate::diagnostic::nearest;
use crate::ids::{ActorId, ClassId, DeviceId, ProfileId};
use crate::output::{Answer, AuditEntry, DeviceRow};
use crate::profile::Profile;
use crate::record::{Action, Order, Record, Seq};
use crate::rule::RuleState;
use crate::task::check_outcome;
use crate::time::Timestamp;
use crate::twin::Twin;

use super::Engine;
use super::alerts::is_over;
use super::commands::is_task;
use super::register::Device;

/// What an order did: verb, subject, details for the audit, and the answer or why it was refused.
pub(super) struct Done {
    pub(super) verb: &'static str,
    pub(super) subject: String,
    pub(super) detail: serde_json::Value,
    pub(super) result: Result<serde_json::Value, String>,
}

impl Engine {
    /// Carries an order out, once per idempotency key.
    pub(super) fn act(&mut self, record: &Record<'_>) {
        let action: Action = match rmp_serde::from_slice(record.entry.body) {
            Ok(action) => action,
            Err(error) => {
                let reason = format!("the action cannot be read: {error}");
                self.batch.answers.push(Answer { seq: record.seq, result: Err(reason.clone()) });
                return self.batch.quarantine(record, 0, "malformed", reason, record.entry.body);
            }
        };
        let wall = record.now.wall;
        // Lines that are entered again change nothing: their answers, which may be long, need not be remembered.
        let remembered = !matches!(action.order, Order::ImportDevices { .. } | Order::ChangeRegistry { .. });
        if remembered && let Some(result) = self.keys.find(&action.actor, &action.idempotency_key, wall) {
            return self.batch.answers.push(Answer { seq: record.seq, result });
        }
        let done = match self.command(&action, record).or_else(|| self.task_order(&action, record.seq)) {
            Some(done) => done,
            None => self.order(&action, record),
        };
        let mut detail = done.detail;
        if let (Err(reason), Some(detail)) = (&done.result, detail.as_object_mut()) {
            detail.insert("refused".to_owned(), json!(reason));
        }
        self.batch.audit(AuditEntry {
            seq: record.seq,
            index: 0,
            decided_at: wall,
            happened_at: action.happened_at,
            actor: action.actor.clone(),
            verb: done.verb.to_owned(),
            subject: done.subject,
            detail: detail.to_string(),
        });
        let result = done.result.map(|value| value.to_string());
        if remembered {
            self.keys.remember(&action.actor, &action.idempotency_key, wall, &result);
        }
        self.batch.answers.push(Answer { seq: record.seq, result });
    }

    fn order(&mut self, action: &Action, record: &Record<'_>) -> Done {
        let seq = record.seq;
        match &action.order {
            Order::RegisterDevice { device, class, profile, zone, credential, commissioned_at, firmware } => {
                // What the order does not say stays as it is.
                let known = self.register.find(device.as_str()).map(|n| self.register.get(n).row.clone());
                let kept = known.as_ref().filter(|row| row.class == *class);
                let wanted = profile.as_ref().or(kept.map(|row| &row.profile));
                let place = zone.as_ref().map_or(Ok(()), |zone| self.registry.knows(zone));
                let profile_of = |()| self.wanted_profile(class, wanted);
                let result = place.and_then(profile_of).map(|profile| {
                    let row = DeviceRow {
                        device: device.clone(),
                        class: class.clone(),
                        profile,
                        zone: zone.clone().or_else(|| known.as_ref()?.zone.clone()),
                        firmware: firmware.clone().or_else(|| known.as_ref()?.firmware.clone()),
                        epoch: known.as_ref().map_or(0, |row| row.epoch),
                        credential: credential.clone().or_else(|| known.as_ref()?.credential.clone()),
                        self_registered: false,
                        revoked: false,
                        commissioned_at: commissioned_at.or_else(|| known.as_ref()?.commissioned_at),
                    };
                    let (profile, created) = (row.profile.clone(), self.put_device(row, seq));
                    json!({"device": device, "class": class, "profile": profile, "created": created})
                });
                Done {
                    verb: "device.register",
                    subject: device.to_string(),
                    detail: json!({"class": class, "profile": profile, "zone": zone, "credential": credential.is_some()}),
                    result,
                }
            }
            Order::ImportDevices { lines, dry_run } => {
                let entered = self.import(lines, *dry_run, action, record);
                Done {
                    verb: "device.import",
                    subject: format!("{} lines", lines.len()),
                    detail: json!({
                        "created": entered.created, "changed": entered.changed, "unchanged": entered.unchanged,
                        "refused": entered.refused.len(), "dry_run": dry_run,
                    }),
                    result: serde_json::to_value(entered).map_err(|error| error.to_string()),
                }
            }
            Order::ChangeRegistry { changes } => {
                let report = self.change_registry(changes, action, record);
                Done {
                    verb: "registry.change",
                    subject: format!("{} rows", changes.len()),
                    detail: json!({
                        "created": report.created, "changed": report.changed, "removed": report.removed,
                        "refused": report.refused.len(),
                    }),
                    result: serde_json::to_value(report).map_err(|error| error.to_string()),
                }
            }
            Order::WrongClaim { tries } => Done {
                verb: "device.claim",
                subject: String::new(),
                detail: json!({"tries": tries}),
                result: Err(
                    "no unknown device that spoke within the last hour has this code; switch it on, and see \
                    `orderly device unknown`"
                        .to_owned(),
                ),
            },
            Order::AdoptDevice { device, class, profile, zone, samples, claimed } => Done {
                verb: if *claimed { "device.claim" } else { "device.adopt" },
                subject: device.to_string(),
                detail: json!({"class": class, "profile": profile, "zone": zone, "samples": samples.len()}),
                result: self.adopt((device, class, profile), zone.as_ref(), samples, record),
            },
            Order::RevokeDevice { device } => {
                let result = self.revoke(device, seq).map(|()| json!({"device": device, "revoked": true}));
                Done { verb: "device.revoke", subject: device.to_string(), detail: json!({}), result }
            }
            Order::NewEpoch { device } => {
                let result = self.new_epoch(device).map(|epoch| json!({"device": device, "epoch": epoch}));
                Done { verb: "device.new_epoch", subject: device.to_string(), detail: json!({}), result }
            }
            Order::AcknowledgeAlert { alert } => Done {
                verb: "alert.acknowledge",
                subject: alert.clone(),
                detail: json!({}),
                result: self.acknowledge(alert, action, seq),
            },
            Order::CloseAlert { alert, outcome } => Done {
                verb: "alert.close",
                subject: alert.clone(),
                detail: json!({"outcome": outcome}),
                result: self.close(alert, outcome, action, seq),
            },
            Order::CommandDevice { .. }
            | Order::CreateTask { .. }
            | Order::WorkTask { .. }
            | Order::HandOverTasks { .. } => Done {
                verb: "order",
                subject: String::new(),
                detail: json!({}),
                result: Err("commands and tasks are decided by themselves".to_owned()),
            },
        }
    }

    /// Registers a device that spoke for the first time on loopback (DESIGN 7.12).
    pub(super) fn self_register(
        &mut self,
        device: &DeviceId,
        class: &ClassId,
        profile: &ProfileId,
        seq: Seq,
    ) -> Option<usize> {
        let row = DeviceRow {
            device: device.clone(),
            class: class.clone(),
            profile: profile.clone(),
            zone: None,
            firmware: None,
            epoch: 0,
            credential: None,
            self_registered: true,
            revoked: false,
            commissioned_at: None,
        };
        self.put_device(row, seq);
        let wall = self.clock.clocks().wall;
        if let Ok(actor) = ActorId::new("anonymous") {
            self.batch.audit(AuditEntry {
                seq,
                index: 0,
                decided_at: wall,
                happened_at: wall,
                actor,
                verb: "device.self_register".to_owned(),
                subject: device.to_string(),
                detail: json!({"class": class, "profile": profile}).to_string(),
            });
        }
        self.register.find(device.as_str())
    }

    pub(super) fn wanted_profile(
        &self,
        class: &ClassId,
        wanted: Option<&ProfileId>,
    ) -> Result<ProfileId, String> {
        let Some(id) = wanted else {
            return self.config.only_profile(class.as_str()).map(|p| p.id().clone()).map_err(|(_, why)| why);
        };
        let profile = self.named_profile(id)?;
        if profile.class() == class {
            return Ok(id.clone());
        }
        Err(format!("the profile {id:?} is for the class {:?}, not {class:?}", profile.class()))
    }

    /// The profile of this name, if it is in force.
    pub(super) fn named_profile(&self, id: &ProfileId) -> Result<&Arc<Profile>, String> {
        self.config.profile(id).ok_or_else(|| {
            let known = self.config.profiles().map(|profile| profile.id().as_str());
            let near =
                nearest(id.as_str(), known).map_or(String::new(), |n| format!("; did you mean {n:?}?"));
            format!("there is no profile {id:?}{near}")
        })
    }

    /// Puts a row on the register. Tells whether the device is new.
    pub(super) fn put_device(&mut self, row: DeviceRow, seq: Seq) -> bool {
        let profile = self.config.profile_of(&row);
        let class = self.config.class(&row.class);
        let clocks = self.clock.clocks();
        let known = self.register.find(row.device.as_str());
        if let Some(number) = known {
            if self.register.get(number).class != class {
                let device = row.device.clone();
                self.clear_where("class_changed", seq, |alert| alert.device == device);
                self.register.get_mut(number).twin.rules =
                    RuleState::new(self.config.rules(class), clocks).born(seq);
            }
            let listening = self.clock.listening(None);
            let device = self.register.get_mut(number);
            if device.row.revoked && !row.revoked {
                device.twin.source = None;
                device.twin.heard_at = clocks.wall;
                device.twin.heard_listening = listening;
                device.twin.rules = RuleState::new(self.config.rules(class), clocks).born(seq);
            }
            device.row = row;
            device.profile = profile;
            device.class = class;
            self.touch_row(number);
            self.touch_twin(number);
            self.schedule(number);
            return false;
        }
        let twin = Twin {
            heard_at: clocks.wall,
            heard_listening: self.clock.listening(None),
            rules: RuleState::new(self.config.rules(class), clocks),
            ..Twin::default()
        };
        let number = self.register.add(Device::new(row, profile, class, twin));
        self.touch_row(number);
        self.touch_twin(number);
        self.schedule(number);
        true
    }

    pub(super) fn find_device(&self, device: &DeviceId) -> Result<usize, String> {
        self.register.find(device.as_str()).ok_or_else(|| format!("{device:?} is not on the register"))
    }

    fn revoke(&mut self, device: &DeviceId, seq: Seq) -> Result<(), String> {
        let number = self.find_device(device)?;
        self.clear_where("device_revoked", seq, |alert| alert.device == *device);
        self.register.get_mut(number).row.revoked = true;
        self.touch_row(number);
        Ok(())
    }

    fn new_epoch(&mut self, device: &DeviceId) -> Result<u32, String> {
        let number = self.find_device(device)?;
        let device = self.register.get_mut(number);
        device.row.epoch += 1;
        let epoch = device.row.epoch;
        // The boot id that comes next belongs to the new epoch, whatever it is.
        device.twin.boots.clear();
        self.touch_row(number);
        self.touch_twin(number);
        Ok(epoch)
    }

    fn open_alert(&self, id: &str) -> Result<(Arc<str>, &Alert), String> {
        match self.alerts.get_key_value(id) {
            Some((id, alert)) if alert.handling != Handling::Closed => Ok((Arc::clone(id), alert)),
            Some((_, alert)) if !is_over(alert) => Err(format!(
                "the alert {id} is already closed with {:?}",
                alert.outcome.as_deref().unwrap_or("no outcome")
            )),
            Some(_) | None => Err(format!("there is no open alert {id:?}")),
        }
    }

    fn acknowledge(&mut self, id: &str, action: &Action, seq: Seq) -> Result<serde_json::Value, String> {
        let (id, alert) = self.open_alert(id)?;
        if alert.handling == Handling::Open {
            self.handle_alert(&id, Handling::Acknowledged, None, action, seq);
            self.worklist.seen(&id, &action.actor, self.when(action, seq));
        }
        let alert = self.alerts.get(&id);
        Ok(json!({
            "alert": *id,
            "handling": alert.map(|alert| alert.handling),
            "handled_by": alert.and_then(|alert| alert.handled_by.clone()),
        }))
    }

    fn close(
        &mut self,
        id: &str,
        outcome: &str,
        action: &Action,
        seq: Seq,
    ) -> Result<serde_json::Value, String> {
        let (id, alert) = self.open_alert(id)?;
        check_outcome(outcome)?;
        self.worklist.may_close(&id, outcome, &action.actor)?;
        let task = is_task(alert);
        let firing = alert.condition == Condition::Firing && !task;
        if let Some(alert) = self.alerts.get_mut(&id).filter(|_| task) {
            // Nothing will ever show that it is over but the person who says so.
            alert.condition = Condition::Cleared;
            alert.cleared_at = Some(action.happened_at);
        }
        self.handle_alert(&id, Handling::Closed, Some(Arc::from(outcome)), action, seq);
        self.worklist.closed(&id, outcome, &action.actor, self.when(action, seq));
        Ok(json!({"alert": *id, "handling": Handling::Closed, "outcome": outcome, "still_firing": firing}))
    }

    fn handle_alert(
        &mut self,
        id: &Arc<str>,
        handling: Handling,
        outcome: Option<Arc<str>>,
        action: &Action,
        seq: Seq,
    ) {
        let at: Timestamp = action.happened_at;
        if let Some(alert) = self.alerts.get_mut(id) {
            alert.handling = handling;
            alert.handled_by = Some(action.actor.clone());
            alert.outcome = outcome;
        }
        self.step(id, at, seq, false);
    }
}
