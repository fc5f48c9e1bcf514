//! The register as the doors see it: who has a credential, who is revoked. Fed by commits, never by wishes.

use std::collections::{HashMap, HashSet};
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
    /// The devices whose profile says that their messages are sealed. At most sites there are none: then nobody is looked
    /// up for a message that comes in.
    private_devices: HashSet<DeviceId>,
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

impl Inner {
    /// Other messages are sealed from here on: goes through all devices.
    fn seal_by(&mut self, change: impl FnOnce(&mut Private)) {
        change(&mut self.private);
        let private = &self.private;
        let theirs = self.devices.iter().filter(|(_, row)| private.has(&row.profile));
        self.private_devices = theirs.map(|(device, _)| device.clone()).collect();
    }

    /// Whether a message may say who somebody is.
    fn seals(&self, entry: &Entry<'_>) -> bool {
        let pushed = self.hooks
            && entry.kind == Kind::Envelope
            && entry.address.starts_with("hooks/")
            && !entry.flags.has(Flags::SEALED);
        let private = &self.private_devices;
        pushed || self.private.claims(entry, |device| !private.is_empty() && private.contains(device))
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
            if inner.private.has(&new.profile) {
                inner.private_devices.insert(row.device.clone());
            } else {
                inner.private_devices.remove(&row.device);
            }
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
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.seal_by(|private| *private = Private::of(profiles));
    }

    /// These profiles are about to come into force: what they say is sealed is so already.
    pub fn soon_read_by(&self, profiles: &[Arc<Profile>]) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.seal_by(|private| private.widen(profiles));
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

    /// Which of the messages may say who somebody is, so that nothing may keep them as they are, in their places; `None`
    /// when none may. The register is taken once for all of them.
    #[must_use]
    pub fn seals(&self, entries: &[Entry<'_>]) -> Option<Vec<bool>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if inner.private.is_empty() && !inner.hooks {
            return None;
        }
        let first = entries.iter().position(|entry| inner.seals(entry))?;
        let rest = entries[first + 1..].iter().map(|entry| inner.seals(entry));
        Some(std::iter::repeat_n(false, first).chain([true]).chain(rest).collect())
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
    fn messages_are_sealed_by_the_profile_that_their_device_has_at_the_time() {
        let profile = |id: &str, privacy: &str| {
            let text = format!(
                "[profile]\nid = \"{id}\"\nclass = \"bp_meter\"\nvendor = \"T\"\nmodel = \"1\"\nversion = \"1\"\nschema = 1\n\
                 named_only = {}\n[source]\ndocument = \"x\"\n[codec]\nkind = \"json\"\n[[metric]]\nname = \"sys\"\n\
                 path = \"$.sys\"\nunit = \"mm[Hg]\"\n{privacy}\n[[test]]\ninput = '{{\"sys\":120}}'\nfrom = \"constructed\"\n\
                 [test.expect]\nsys = 120\n",
                !privacy.is_empty()
            );
            Arc::new(Profile::parse(&text, id).unwrap())
        };
        let open = profile("orderly-bp-1", "");
        let secret = profile("named-bp", "[privacy]\nfields = [\"$.who\"]");
        let of = |address| Entry {
            kind: Kind::Envelope,
            flags: Flags::default(),
            source: "listener",
            connection: 1,
            address,
            body: b"{}",
        };
        let batch = [
            of("orderly/v1/main/bp_meter/bp-1/up/reading"),
            of("orderly/v1/main/bp_meter/bp-2/up/reading"),
            of("hooks/cloud"),
            of("orderly/v1/main/bp_meter/bp-1/up/reading"),
        ];
        let named = DeviceRow { profile: secret.id().clone(), ..row("bp-2", None, false) };
        let register = Register::new(&[row("bp-1", None, false), named.clone()]);
        assert_eq!(register.seals(&batch), None, "nobody told of a profile yet");
        register.read_by(&[Arc::clone(&open)]);
        assert_eq!(register.seals(&batch), None);
        register.soon_read_by(&[Arc::clone(&open), Arc::clone(&secret)]);
        assert_eq!(register.seals(&batch), Some(vec![false, true, false, false]));
        register.read_by(&[open, secret]);
        assert_eq!(register.seals(&batch[..1]), None);
        // bp-1 becomes such a device, bp-2 is none any more.
        register.changed(&[
            DeviceRow { device: DeviceId::new("bp-1").unwrap(), ..named },
            row("bp-2", None, false),
        ]);
        assert_eq!(register.seals(&batch), Some(vec![true, false, false, true]));
        register.seal_hooks();
        assert_eq!(register.seals(&batch), Some(vec![true, false, true, true]));
        register.read_by(&[]);
        assert_eq!(register.seals(&batch), Some(vec![false, false, true, false]));
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
