//! From a record to what the engine must decide on: whose message it is, which profile reads it, what it says.

use std::sync::Arc;

use crate::codec::line::{self, Line, Precision};
use crate::dedupe::{Identity, Lookup, Verdict};
use crate::ids::DeviceId;
use crate::profile::{Decoded, DedupeBy, Half, Input, NO_FIRMWARE, Profile};
use crate::reading::{Origin, Reading};
use crate::record::{ConfigKind, Entry, Flags, Oversize, Record};
use crate::topic::{Leaf, Topic, TopicError};

use super::Engine;
use super::prepared::{Item, Message, Prepared, Refused, Target, Work};

/// The most readings that one record may hold; the place within the record is a 16-bit number.
const MAX_ITEMS: usize = 60_000;
/// Why a sealed record is not read when nobody opened it.
const NO_KEY: &str = "it is sealed, and there is no key to open it with";

impl Engine {
    /// Reads a record and names the earlier readings that must be known to decide on it. A sealed one goes to
    /// quarantine: [`Engine::prepare_sealed`] reads it.
    ///
    /// Nothing changes; a record that is prepared must be handled before the next is prepared.
    #[must_use]
    pub fn prepare<'r>(&self, record: &Record<'r>) -> Prepared<'r> {
        if record.entry.flags.has(Flags::SEALED) {
            return self.prepare_sealed(record, Err(NO_KEY));
        }
        self.prepare_open(record)
    }

    /// As [`Engine::prepare`] for a sealed record: `opened` is what it says, or in a sentence why nobody can read it.
    /// What cannot be used of it goes to quarantine as it was sealed.
    #[must_use]
    pub fn prepare_sealed<'r>(&self, record: &Record<'r>, opened: Result<&'r [u8], &str>) -> Prepared<'r> {
        let sealed = record.entry.body;
        let with = |body| Record { entry: Entry { body, ..record.entry }, ..*record };
        match opened {
            Ok(body) => Prepared { sealed, ..self.prepare_open(&with(body)) },
            Err(why) => {
                let refused = vec![Refused::new("sealed", why)];
                let work = Work::Message(Message { refused, ..Message::default() });
                Prepared { record: with(&[]), sealed, work, lookups: Vec::new() }
            }
        }
    }

    fn prepare_open<'r>(&self, record: &Record<'r>) -> Prepared<'r> {
        let mut prepared = Prepared { record: *record, sealed: &[], work: Work::Other, lookups: Vec::new() };
        if record.entry.kind != crate::record::Kind::Envelope {
            return prepared;
        }
        prepared.work = match self.read_envelope(record) {
            Ok(work) => work,
            Err(refused) => Work::Message(Message { refused: vec![refused], ..Message::default() }),
        };
        if let Work::Message(message) = &mut prepared.work {
            for item in &mut message.items {
                let before = Origin { seq: record.seq, index: item.index };
                let Some(lookup) = self.lookup(item, before) else { continue };
                item.lookup = Some(prepared.lookups.len());
                prepared.lookups.push(lookup);
            }
        }
        prepared
    }

    fn read_envelope(&self, record: &Record<'_>) -> Result<Work, Refused> {
        let entry = &record.entry;
        if entry.flags.has(Flags::OVERSIZE) {
            return Err(oversize(entry.body));
        }
        if entry.flags.has(Flags::LINE_PROTOCOL) {
            return self.read_lines(record).map(Work::Message);
        }
        match Topic::parse(entry.address) {
            Ok(topic) => self.read_own(record, topic),
            Err(TopicError::Foreign(_)) => self.read_foreign(record),
            Err(error @ TopicError::Malformed { .. }) => Err(Refused::new("malformed", error.to_string())),
        }
    }

    /// A message on one of our own topics.
    fn read_own(&self, record: &Record<'_>, topic: Topic<'_>) -> Result<Work, Refused> {
        if topic.site != self.settings.site.as_str() {
            return Err(Refused::new(
                "wrong_site",
                format!("the topic is of the site {:?}; this is {:?}", topic.site, self.settings.site),
            ));
        }
        let (target, profile) = match self.register.find(topic.device) {
            Some(number) => {
                let (number, profile) = self.registered(number)?;
                let class = &self.register.get(number).row.class;
                if class.as_str() != topic.class {
                    return Err(Refused::new(
                        "wrong_class",
                        format!(
                            "the topic says {:?}, but {:?} is registered as {class:?}",
                            topic.class, topic.device
                        ),
                    ));
                }
                (Target::Known(number), profile)
            }
            None => self.first_contact(record, topic)?,
        };
        match topic.leaf {
            Leaf::Up(_) if topic.leaf.is_claim() => match target {
                Target::Known(device) => Ok(Work::Status { device, online: true }),
                // The code is for the person who takes it on, so it does not come in by itself.
                Target::New { .. } => Err(stranger(topic)),
            },
            Leaf::Up(_) => self.decode(record, &target, &profile).map(Work::Message),
            Leaf::Status => Ok(match target {
                Target::Known(device) => Work::Status { device, online: is_online(record) },
                Target::New { .. } => Work::Message(Message::default()),
            }),
            Leaf::CommandAck(id) => match target {
                Target::Known(device) => Ok(Work::Ack { device, id: id.to_owned() }),
                Target::New { .. } => Err(Refused::new(
                    "late_answer",
                    "a device that is not on the register was sent no command",
                )),
            },
            Leaf::Command(_) => Err(Refused::new("no_reader", "commands are not read from this topic")),
        }
    }

    /// A device that nobody registered: on loopback without credential it may register itself.
    fn first_contact(
        &self,
        record: &Record<'_>,
        topic: Topic<'_>,
    ) -> Result<(Target, Arc<Profile>), Refused> {
        let Topic { class, device, .. } = topic;
        if !record.entry.flags.has(Flags::ANONYMOUS) {
            return Err(stranger(topic));
        }
        let profile = self.config.only_profile(class).map_err(|(code, reason)| Refused::new(code, reason))?;
        let name = |error: crate::ids::NameError| Refused::new("malformed", error.to_string());
        let device = DeviceId::new(device).map_err(name)?;
        let class = profile.class().clone();
        Ok((Target::New { device, class }, profile))
    }

    /// A message on a topic that only a profile knows.
    fn read_foreign(&self, record: &Record<'_>) -> Result<Work, Refused> {
        let mut found = self.config.profiles().filter(|profile| {
            profile
                .matching()
                .topic
                .as_ref()
                .is_some_and(|topic| topic.matches(record.entry.address).is_some())
        });
        let Some(profile) = found.next() else {
            return Err(Refused::new(
                "no_profile",
                "no profile has a topic pattern that fits; orderly check --explain lists them",
            ));
        };
        // Several models may share a pattern; then the register says which of them the device is.
        let others: Vec<_> = found.collect();
        if let Some(device) = profile.device_on(record.entry.address) {
            let number = self.known(device)?;
            let (number, own) = self.registered(number)?;
            if own.id() != profile.id() && !others.iter().any(|other| other.id() == own.id()) {
                return Err(Refused::new(
                    "wrong_profile",
                    format!(
                        "the topic fits the profile {:?}, but {device:?} has {:?}",
                        profile.id(),
                        own.id()
                    ),
                ));
            }
            return self.decode(record, &Target::Known(number), &own).map(Work::Message);
        }
        if let Some(other) = others.first() {
            return Err(Refused::new(
                "ambiguous_profile",
                format!("the topic fits the profiles {:?} and {:?}", profile.id(), other.id()),
            ));
        }
        let input = Self::input(record, record.entry.body);
        let decoded = match profile.decode_for(input, None) {
            // Whose it is says the version.
            Err(error) if error.code == NO_FIRMWARE => {
                let named = profile.names(input).and_then(|device| self.register.find(device.as_str()));
                let firmware = named.and_then(|number| self.register.get(number).row.firmware.as_ref());
                profile.decode_for(input, firmware)
            }
            decoded => decoded,
        };
        let decoded = decoded.map_err(|error| Refused::new(error.code, error.reason))?;
        if decoded.len() > MAX_ITEMS {
            return Err(too_many_readings());
        }
        let mut message = Message::default();
        for (index, decoded) in (0..).zip(decoded) {
            self.assign(decoded, index, profile, &mut message, None);
        }
        Ok(Work::Message(message))
    }

    /// A body of line protocol: each line by the profile of its measurement and tags.
    fn read_lines(&self, record: &Record<'_>) -> Result<Message, Refused> {
        let precision = Precision::of_address(record.entry.address);
        let lines = line::parse(record.entry.body, precision).map_err(|errors| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Refused::new("malformed", all.join("; "))
        })?;
        if lines.len() > MAX_ITEMS {
            return Err(Refused::new("too_many_readings", format!("one message may hold {MAX_ITEMS} lines")));
        }
        let mut message = Message::default();
        for line in &lines {
            let input = Self::input(record, line.raw.as_bytes());
            let decoded = self.profile_of(line, input).and_then(|profile| match profile.decode(input) {
                Ok(decoded) => Ok((profile, decoded)),
                Err(error) => {
                    Err(Refused::new(error.code, format!("line {}: {}", line.number, error.reason)))
                }
            });
            match decoded {
                Ok((profile, decoded)) => {
                    for decoded in decoded {
                        let index = message.items.last().map_or(0, |item| item.index + 1);
                        self.assign(decoded, index, profile, &mut message, Some(line.raw));
                    }
                }
                Err(refused) => {
                    message.refused.push(Refused { excerpt: Some(line.raw.as_bytes().to_vec()), ..refused });
                }
            }
        }
        Ok(message)
    }

    /// The profile that reads a line; where several fit, the register says which model the device is.
    fn profile_of(&self, line: &Line<'_>, input: Input<'_>) -> Result<&Arc<Profile>, Refused> {
        let fits = |profile: &&Arc<Profile>| {
            let matching = profile.matching();
            matching.measurement.as_deref() == Some(line.measurement.as_ref())
                && matching.tags.iter().all(|(key, value)| line.tag(key) == Some(value))
        };
        let found: Vec<_> = self.config.profiles().filter(fits).collect();
        let place = || format!("line {}: measurement {:?}", line.number, line.measurement);
        match found.as_slice() {
            [] => Err(Refused::new("no_profile", format!("{} is read by no profile", place()))),
            [one] => Ok(one),
            many => many
                .iter()
                .find(|profile| {
                    let decoded = profile.decode(input).unwrap_or_default();
                    let device = decoded.first().and_then(|decoded| decoded.device.as_ref());
                    let number = device.and_then(|device| self.register.find(device.as_str()));
                    number.is_some_and(|number| self.register.get(number).row.profile == *profile.id())
                })
                .copied()
                .ok_or_else(|| {
                    let names: Vec<_> = many.iter().map(|profile| profile.id().as_str()).collect();
                    Refused::new(
                        "ambiguous_profile",
                        format!(
                            "{} is read by {}; register the device with one of them",
                            place(),
                            names.join(", ")
                        ),
                    )
                }),
        }
    }

    /// Gives a reading that names its device itself to that device.
    fn assign(
        &self,
        decoded: Decoded,
        index: u16,
        profile: &Arc<Profile>,
        message: &mut Message,
        part: Option<&str>,
    ) {
        let found = match &decoded.device {
            Some(device) => self.known(device.as_str()).and_then(|number| self.registered(number)),
            None => Err(Refused::new("no_device", "neither topic nor payload names a device")),
        };
        match found {
            Ok((number, own)) if own.id() == profile.id() => message.items.push(Item {
                target: Target::Known(number),
                profile: own,
                decoded,
                index,
                lookup: None,
            }),
            Ok((_, own)) => message.refused.push(Refused {
                code: "wrong_profile",
                reason: format!(
                    "it was read by the profile {:?}, but its device has {:?}",
                    profile.id(),
                    own.id()
                ),
                excerpt: part.map(|part| part.as_bytes().to_vec()),
            }),
            Err(refused) => message
                .refused
                .push(Refused { excerpt: part.map(|part| part.as_bytes().to_vec()), ..refused }),
        }
    }

    fn decode(
        &self,
        record: &Record<'_>,
        target: &Target,
        profile: &Arc<Profile>,
    ) -> Result<Message, Refused> {
        let firmware = match target {
            Target::Known(number) => self.register.get(*number).row.firmware.as_ref(),
            Target::New { .. } => None,
        };
        let decoded = profile
            .decode_for(Self::input(record, record.entry.body), firmware)
            .map_err(|error| Refused::new(error.code, error.reason))?;
        if decoded.len() > MAX_ITEMS {
            return Err(too_many_readings());
        }
        Ok(self.file(decoded, target, profile))
    }

    pub(super) fn input<'p>(record: &Record<'p>, payload: &'p [u8]) -> Input<'p> {
        Input {
            address: record.entry.address,
            payload,
            received_at: record.now.wall,
            flags: record.entry.flags,
        }
    }

    fn known(&self, device: &str) -> Result<usize, Refused> {
        self.register.find(device).ok_or_else(|| {
            Refused::new(
                "unknown_device",
                format!("{device:?} is not on the register; orderly device add {device} --class ..."),
            )
        })
    }

    /// A device that may be heard, and its profile.
    fn registered(&self, number: usize) -> Result<(usize, Arc<Profile>), Refused> {
        let device = self.register.get(number);
        let name = &device.row.device;
        if device.row.revoked {
            return Err(Refused::new("revoked", format!("{name:?} was taken off the register")));
        }
        match &device.profile {
            Some(profile) => Ok((number, Arc::clone(profile))),
            None => {
                let profile = &device.row.profile;
                let why = self.refusal(&ConfigKind::Profile(profile.clone())).map_or_else(
                    || "is not loaded".to_owned(),
                    |reason| format!("this version refuses, mend it: {reason}"),
                );
                Err(Refused::new("no_profile", format!("{name:?} has the profile {profile:?}, which {why}")))
            }
        }
    }

    /// The look-up that a reading needs, if an earlier one may have been the same.
    fn lookup(&self, item: &Item, before: Origin) -> Option<Lookup> {
        let Target::Known(number) = item.target else { return None };
        let device = self.register.get(number);
        let decoded = &item.decoded;
        let by = item.profile.dedupe().by;
        if by == DedupeBy::None {
            return None;
        }
        let epoch = match &decoded.boot {
            Some(boot) => device.twin.epoch_of(boot_hash(boot))?,
            None => device.row.epoch,
        };
        let place = device.twin.stream(decoded.stream.as_str())?;
        let stream = &device.twin.streams[place];
        let sequence = decoded.sequence.filter(|_| by == DedupeBy::Sequence);
        let half = decoded.half;
        // A context that waits for its measurement is a reading without time.
        let may_be_joined = match half {
            Half::Whole => false,
            Half::Measurement => sequence.is_some_and(|sequence| stream.may_have_seen_sequence(sequence)),
            Half::Context => true,
        };
        // Of an older epoch only the stores know anything.
        let maybe = stream.epoch != epoch
            || may_be_joined
            || match (decoded.device_time, sequence) {
                (Some(time), _) => stream.may_have_seen(time),
                (None, Some(sequence)) => stream.may_have_seen_sequence(sequence),
                (None, None) => return None,
            };
        if !maybe {
            return None;
        }
        let identity = Identity::new(decoded, &item.profile, device.row.device.as_str(), epoch, before.index);
        let chain = device.chains.get(place).copied();
        let is_repeat = |r: &Reading| r.epoch == epoch && identity.compare(r) == Verdict::Repeat;
        if half != Half::Context && self.batch.of_stream(chain).any(is_repeat) {
            return None;
        }
        Some(Lookup {
            device: device.row.device.clone(),
            epoch,
            stream: decoded.stream.clone(),
            device_time: identity.device_time,
            sequence: identity.sequence,
            joins: half != Half::Whole,
            place: identity.place,
            before,
        })
    }
}

/// The number that a boot id is remembered by.
pub(super) fn boot_hash(boot: &str) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&blake3::hash(boot.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(head)
}

fn stranger(Topic { class, device, .. }: Topic<'_>) -> Refused {
    Refused::new(
        "unknown_device",
        format!("{device:?} is not on the register; orderly device add {device} --class {class}"),
    )
}

fn too_many_readings() -> Refused {
    Refused::new("too_many_readings", format!("one message may hold {MAX_ITEMS} readings"))
}

fn is_online(record: &Record<'_>) -> bool {
    if record.entry.flags.has(Flags::WILL) {
        return false;
    }
    let text = String::from_utf8_lossy(record.entry.body);
    let word = text.trim().trim_matches('"');
    !matches!(word, "offline" | "0" | "false" | "")
}

fn oversize(body: &[u8]) -> Refused {
    match rmp_serde::from_slice::<Oversize>(body) {
        Ok(oversize) => Refused {
            code: "oversize",
            reason: format!(
                "the payload has {} bytes; up to 256 KiB are read. Send fewer readings in one message",
                oversize.bytes
            ),
            excerpt: Some(oversize.head),
        },
        Err(_) => Refused::new("oversize", "the payload was too large to keep"),
    }
}
