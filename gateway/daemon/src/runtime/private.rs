//! Which messages may say who somebody is, as the profiles in force tell: the doors seal them.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderly_core::ids::ProfileId;
use orderly_core::profile::{Codec, Profile};
use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::topic::{PREFIX, TopicPattern};

/// What a message must match to be sealed.
#[derive(Debug, Default)]
pub(super) struct Private {
    /// Profiles whose payloads say who somebody is.
    profiles: BTreeSet<ProfileId>,
    /// Their foreign topics.
    topics: Vec<TopicPattern>,
    /// Classes whose strangers are given such a profile.
    classes: BTreeSet<String>,
    /// One of them reads line protocol: whose a line is, only reading it tells.
    lines: bool,
}

impl Private {
    /// As these profiles tell.
    pub(super) fn of(profiles: &[Arc<Profile>]) -> Self {
        let mut private = Self::default();
        private.widen(profiles);
        private
    }

    /// What these profiles tell comes on top of what is sealed already.
    pub(super) fn widen(&mut self, profiles: &[Arc<Profile>]) {
        for profile in profiles.iter().filter(|profile| profile.holds_identity()) {
            self.profiles.insert(profile.id().clone());
            self.lines |= *profile.codec() == Codec::Line;
            if let Some(topic) =
                profile.matching().topic.as_ref().filter(|topic| !self.topics.contains(topic))
            {
                self.topics.push(topic.clone());
            }
            // As the engine finds the profile of a device that only says its class.
            let class = profile.class();
            let usual = |other: &Arc<Profile>| other.class() == class && other.is_for_any_of_its_class();
            if profile.is_for_any_of_its_class() || !profiles.iter().any(usual) {
                self.classes.insert(class.to_string());
            }
        }
    }

    /// Whether no message at all is sealed.
    pub(super) fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }

    /// Whether the messages of a device with this profile are sealed.
    pub(super) fn has(&self, profile: &ProfileId) -> bool {
        self.profiles.contains(profile)
    }

    /// Whether an entry is to be sealed; `is_private` knows the devices on the register whose profile says so.
    pub(super) fn claims(&self, entry: &Entry<'_>, is_private: impl FnOnce(&str) -> bool) -> bool {
        if self.is_empty() || entry.kind != Kind::Envelope || entry.flags.has(Flags::SEALED) {
            return false;
        }
        if entry.flags.has(Flags::LINE_PROTOCOL) {
            return self.lines;
        }
        let own = entry.address.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/'));
        let Some(own) = own else {
            return self.topics.iter().any(|topic| topic.matches(entry.address).is_some());
        };
        let mut levels = own.split('/').skip(1);
        let (Some(class), Some(device)) = (levels.next(), levels.next()) else { return false };
        self.classes.contains(class) || is_private(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: &str, class: &str, head: &str, privacy: &str) -> Arc<Profile> {
        let text = format!(
            "[profile]\nid = \"{id}\"\nclass = \"{class}\"\nvendor = \"T\"\nmodel = \"1\"\nversion = \"1\"\nschema = 1\n\
             [source]\ndocument = \"x\"\n{head}\n[[metric]]\nname = \"mass\"\npath = \"$.mass\"\nunit = \"kg\"\n{privacy}\n\
             [[test]]\ninput = '{{\"mass\":70}}'\nfrom = \"constructed\"\n[test.expect]\nmass = 70\n"
        );
        Arc::new(Profile::parse(&text, id).unwrap())
    }

    const JSON: &str = "[codec]\nkind = \"json\"";
    const FOREIGN: &str = "[match]\ntopic = \"cloud/{device}\"\n[codec]\nkind = \"json\"";
    const WHO: &str = "[privacy]\nfields = [\"$.who\"]";

    fn entry<'a>(address: &'a str, flags: Flags) -> Entry<'a> {
        Entry { kind: Kind::Envelope, flags, source: "listener", connection: 1, address, body: b"{}" }
    }

    #[test]
    fn what_a_profile_with_identity_claims_is_sealed_and_nothing_else() {
        let profiles = [
            profile("plain", "scale", JSON, ""),
            profile("cloud", "scale", FOREIGN, WHO),
            profile("desk", "kiosk", JSON, WHO),
            profile("open", "fridge", JSON, ""),
        ];
        let private = Private::of(&profiles);
        let (cloud, plain) = (ProfileId::new("cloud").unwrap(), ProfileId::new("plain").unwrap());
        assert!(private.has(&cloud) && !private.has(&plain));
        let is_private = |device: &str| device == "sc-2";
        let seals = |address: &str, flags| private.claims(&entry(address, flags), is_private);
        for (address, want) in [
            ("cloud/sc-1", true),
            ("cloud/sc-1/more", false),
            ("other/sc-1", false),
            ("orderly/v1/main/scale/sc-1/up/reading", false),
            ("orderly/v1/main/scale/sc-2/up/reading", true),
            ("orderly/v1/main/scale/sc-2/status", true),
            ("orderly/v1/main/kiosk/k-1/up/reading", true),
            ("orderly/v1/main/fridge/f-1/up/reading", false),
            ("orderly/v1/main", false),
        ] {
            assert_eq!(seals(address, Flags::default()), want, "{address}");
        }
        assert!(!seals("cloud/sc-1", Flags::SEALED), "once is enough");
        assert!(!seals("/api/v2/write", Flags::LINE_PROTOCOL));
        let action = Entry { kind: Kind::Action, ..entry("cloud/sc-1", Flags::default()) };
        assert!(!private.claims(&action, is_private));
        let none = Private::of(&profiles[..1]);
        assert!(none.is_empty() && !none.claims(&entry("cloud/sc-1", Flags::default()), is_private));
    }

    #[test]
    fn a_reload_first_adds() {
        let mut private = Private::of(&[profile("cloud", "scale", FOREIGN, WHO)]);
        let strangers = "orderly/v1/main/scale/sc-1/up/reading";
        let claims =
            |private: &Private, address: &str| private.claims(&entry(address, Flags::default()), |_| false);
        assert!(claims(&private, strangers), "the only profile of the class is what strangers get");
        let lines = "[match]\nmeasurement = \"m\"\n[codec]\nkind = \"line\"";
        let text = format!(
            "[profile]\nid = \"l\"\nclass = \"scale\"\nvendor = \"T\"\nmodel = \"1\"\nversion = \"1\"\nschema = 1\n[source]\n\
             document = \"x\"\n{lines}\n[[metric]]\nname = \"mass\"\nfield = \"mass\"\nunit = \"kg\"\n[privacy]\nfields = [\"who\"]\n\
             [[test]]\ninput = 'm mass=70'\nfrom = \"constructed\"\n[test.expect]\nmass = 70\n"
        );
        private.widen(&[Arc::new(Profile::parse(&text, "l").unwrap())]);
        assert!(claims(&private, "cloud/sc-1"));
        assert!(private.claims(&entry("/api/v2/write", Flags::LINE_PROTOCOL), |_| false));
    }
}
