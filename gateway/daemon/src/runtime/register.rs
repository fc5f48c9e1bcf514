//! The register as the doors see it: who has a credential, who is revoked. Fed by commits, never by wishes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use orderly_core::ids::{ClassId, DeviceId, ProfileId};
use orderly_core::output::DeviceRow;
use orderly_core::profile::Profile;
use orderly_core::record::{Credential, Entry, Flags, Kind};

use super::private::Private;
use crate::control::matches;
use crate::sources::mqtt_door::{Attempt, Login, Logins};

/// Devices and their credentials.
#[derive(Debug, Default)]
pub struct Register(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    devices: HashMap<DeviceId, Row>,
    credentials: usize,
    private: Private,
    /// Vendor clouds may push here.
    hooks: bool,
}

#[derive(Debug, Clone)]
struct Row {
    class: ClassId,
    profile: ProfileId,
    credential: Option<Credential>,
    revoked: bool,
}

impl Row {
    /// A credential counts also when its device is revoked: the time of clients without one is over for good.
    const fn counts(&self) -> bool {
        self.credential.is_some()
    }
}

/// What a change of the register means for open connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Devices whose credential was changed or taken away.
    pub devices: Vec<DeviceId>,
    /// The first credential was made: clients without one end.
    pub anonymous: bool,
}

impl Register {
    /// The register as it was stored.
    #[must_use]
    pub fn new(rows: &[DeviceRow]) -> Self {
        let register = Self::default();
        register.changed(rows);
        register
    }

    /// Takes in rows that a commit changed; says whose connections must end.
    pub fn changed(&self, rows: &[DeviceRow]) -> Ended {
        let mut ended = Ended::default();
        if rows.is_empty() {
            return ended;
        }
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = inner.credentials;
        for row in rows {
            let new = Row {
                class: row.class.clone(),
                profile: row.profile.clone(),
                credential: row.credential.clone(),
                revoked: row.revoked,
            };
            inner.credentials += usize::from(new.counts());
            let (credential, revoked) = (new.credential.clone(), new.revoked);
            if let Some(old) = inner.devices.insert(row.device.clone(), new) {
                inner.credentials -= usize::from(old.counts());
                if old.counts() && ((revoked && !old.revoked) || old.credential != credential) {
                    ended.devices.push(row.device.clone());
                }
            }
        }
        ended.anonymous = before == 0 && inner.credentials > 0;
        ended
    }

    /// These profiles are in force: they alone say from here on which messages are sealed.
    pub fn read_by(&self, profiles: &[Arc<Profile>]) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).private = Private::of(profiles);
    }

    /// These profiles are about to come into force: what they say is sealed is so already.
    pub fn soon_read_by(&self, profiles: &[Arc<Profile>]) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).private.widen(profiles);
    }

    /// Vendor clouds may push here: what they push is about people, and is sealed whatever profile fits it.
    pub fn seal_hooks(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).hooks = true;
    }

    /// Whether vendor clouds may push here.
    #[must_use]
    pub fn has_hooks(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).hooks
    }

    /// Whether a message may say who somebody is, so that nothing may keep it as it is.
    #[must_use]
    pub fn seals(&self, entry: &Entry<'_>) -> bool {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pushed = entry.address.starts_with("hooks/") && entry.kind == Kind::Envelope;
        (inner.hooks && pushed && !entry.flags.has(Flags::SEALED))
            || inner.private.claims(entry, |device| inner.devices.get(device).map(|row| &row.profile))
    }

    /// Devices on the register that are not revoked and have no credential: they keep the doors on loopback.
    #[must_use]
    pub fn without_credential(&self) -> usize {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.devices.values().filter(|row| !row.revoked && row.credential.is_none()).count()
    }

    /// Whether any device has a credential; then nobody comes in without one.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).credentials > 0
    }

    /// The class of a device, also of a revoked one.
    #[must_use]
    pub fn class_of(&self, device: &DeviceId) -> Option<ClassId> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.devices.get(device).map(|row| row.class.clone())
    }

    /// The class of a device that shows its own secret.
    #[must_use]
    pub fn prove(&self, device: &str, secret: &[u8]) -> Option<(DeviceId, ClassId)> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (id, row) = inner.devices.get_key_value(device)?;
        let credential = row.credential.as_ref().filter(|_| !row.revoked)?;
        matches(credential, secret).then(|| (id.clone(), row.class.clone()))
    }
}

impl Logins for Register {
    fn check(&self, attempt: &Attempt<'_>) -> Login {
        match (attempt.username, attempt.password) {
            (Some(name), Some(secret)) => match self.prove(name, secret) {
                Some((device, class)) => Login::Device { device, class },
                None => Login::Refused,
            },
            (None, _) if attempt.peer.ip().is_loopback() && !self.has_credentials() => Login::Anonymous,
            _ => Login::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::DeviceSecret;

    fn row(device: &str, credential: Option<Credential>, revoked: bool) -> DeviceRow {
        DeviceRow {
            device: DeviceId::new(device).unwrap(),
            class: ClassId::new("bp_meter").unwrap(),
            profile: ProfileId::new("orderly-bp-1").unwrap(),
            zone: None,
            epoch: 0,
            credential,
            self_registered: false,
            revoked,
            commissioned_at: None,
            firmware: None,
        }
    }

    fn attempt<'a>(name: Option<&'a str>, secret: Option<&'a str>, peer: &str) -> Attempt<'a> {
        Attempt {
            client_id: "c",
            username: name,
            password: secret.map(str::as_bytes),
            peer: peer.parse().unwrap(),
        }
    }

    #[test]
    fn the_first_credential_ends_anonymous_clients_and_a_revoked_device_is_refused() {
        let register = Register::new(&[row("bp-1", None, false)]);
        let here = "127.0.0.1:4000";
        assert_eq!(register.check(&attempt(None, None, here)), Login::Anonymous);
        assert_eq!(register.check(&attempt(None, None, "10.0.0.1:4000")), Login::Refused);
        assert_eq!(register.without_credential(), 1);

        let made = DeviceSecret::make().unwrap();
        let ended = register.changed(&[row("bp-1", Some(made.kept.clone()), false)]);
        assert_eq!(ended, Ended { devices: vec![], anonymous: true });
        assert_eq!(register.check(&attempt(None, None, here)), Login::Refused);
        let login = register.check(&attempt(Some("bp-1"), Some(made.secret.reveal()), "10.0.0.1:1"));
        assert!(matches!(login, Login::Device { device, .. } if device.as_str() == "bp-1"));
        assert_eq!(register.check(&attempt(Some("bp-1"), Some("guess"), here)), Login::Refused);

        let ended = register.changed(&[row("bp-1", Some(made.kept), true)]);
        assert_eq!(ended.devices.len(), 1);
        assert_eq!(register.check(&attempt(Some("bp-1"), Some(made.secret.reveal()), here)), Login::Refused);
        assert_eq!(register.without_credential(), 0);
        assert_eq!(register.check(&attempt(None, None, here)), Login::Refused, "once is for good");
    }
}
