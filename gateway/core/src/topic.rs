//! MQTT topics: our own, both directions, and patterns for foreign ones.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::ids;

/// On this stream a device says the code that is printed on it; it is no reading.
const CLAIM: &str = "claim";

/// What every topic of our own begins with.
pub const PREFIX: &str = "orderly/v1";

/// A topic of our own: `orderly/v1/<site>/<class>/<device>/...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic<'a> {
    /// The hospital site.
    pub site: &'a str,
    /// The device class.
    pub class: &'a str,
    /// The device.
    pub device: &'a str,
    /// What the message is.
    pub leaf: Leaf<'a>,
}

/// What a message on a topic of our own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// A reading of the named stream, from the device.
    Up(&'a str),
    /// A command with this id, to the device.
    Command(&'a str),
    /// The device's answer to the command with this id.
    CommandAck(&'a str),
    /// Whether the device is there; retained, and its last will.
    Status,
}

/// Why a topic cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It does not begin with `orderly/v1/`; a profile's pattern may know it.
    #[error("topic {0:?} does not begin with \"orderly/v1/\"")]
    Foreign(String),
    /// It begins like ours but is not one.
    #[error(
        "topic {topic:?}: {why}; \
         expected orderly/v1/<site>/<class>/<device>/ and then up/<stream>, cmd/<id>, cmd/<id>/ack or status"
    )]
    Malformed {
        /// The topic, cut to 200 characters.
        topic: String,
        /// What is wrong.
        why: String,
    },
}

impl<'a> Topic<'a> {
    /// Reads a topic without copying it.
    ///
    /// # Errors
    /// [`TopicError::Foreign`] when it is not ours, [`TopicError::Malformed`] when it should be but is not.
    pub fn parse(topic: &'a str) -> Result<Self, TopicError> {
        let cut = || topic.chars().take(200).collect::<String>();
        let Some(rest) = topic.strip_prefix("orderly/v1/") else {
            return Err(TopicError::Foreign(cut()));
        };
        let malformed = |why: String| TopicError::Malformed { topic: cut(), why };
        let mut levels = rest.split('/');
        let mut name = |what| next_name(&mut levels, what).map_err(malformed);
        let (site, class, device) = (name("site")?, name("class")?, name("device")?);
        let leaf = match levels.next() {
            Some("up") => Leaf::Up(next_name(&mut levels, "stream").map_err(malformed)?),
            Some("status") => Leaf::Status,
            Some("cmd") => {
                let id = next_name(&mut levels, "command id").map_err(malformed)?;
                match levels.next() {
                    None => Leaf::Command(id),
                    Some("ack") => Leaf::CommandAck(id),
                    Some(other) => return Err(malformed(format!("{other:?} after the command id"))),
                }
            }
            Some(other) => return Err(malformed(format!("{other:?} is not up, cmd or status"))),
            None => return Err(malformed("the level after the device is missing".to_owned())),
        };
        match levels.next() {
            None => Ok(Self { site, class, device, leaf }),
            Some(extra) => Err(malformed(format!("{extra:?} is one level too many"))),
        }
    }
}

fn next_name<'a>(levels: &mut std::str::Split<'a, char>, what: &str) -> Result<&'a str, String> {
    let level = levels.next().ok_or_else(|| format!("the {what} is missing"))?;
    match ids::why_not_a_name(level) {
        None => Ok(level),
        Some(why) => Err(format!("{level:?} cannot be a {what}: {why}")),
    }
}

/// Whether a topic is one on which a device says the code that is printed on it.
#[must_use]
pub fn is_claim(address: &str) -> bool {
    address.starts_with(PREFIX) && Topic::parse(address).is_ok_and(|topic| topic.leaf.is_claim())
}

impl Leaf<'_> {
    /// Whether the device says the code that is printed on it.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        *self == Leaf::Up(CLAIM)
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}/{}/{}/{}/", self.site, self.class, self.device)?;
        match self.leaf {
            Leaf::Up(stream) => write!(f, "up/{stream}"),
            Leaf::Command(id) => write!(f, "cmd/{id}"),
            Leaf::CommandAck(id) => write!(f, "cmd/{id}/ack"),
            Leaf::Status => f.write_str("status"),
        }
    }
}

/// One level of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    /// Exactly this text.
    Exact(String),
    /// Anything, with a name (`{device}`).
    Named(Arc<str>),
    /// Anything (`+`).
    Any,
    /// Everything that follows (`#`).
    Rest,
}

/// A pattern for foreign topics with named wildcards: `meters/{device}/data/+`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPattern {
    levels: Vec<Level>,
}

/// What the named wildcards of a pattern stood for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captures<'p, 't>(SmallVec<[(&'p str, &'t str); 2]>);

impl<'t> Captures<'_, 't> {
    /// What the wildcard `{name}` stood for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }
}

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong: a wildcard that is not a whole level, `#` not at the end,
    /// a name twice, or an empty pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        let parts: Vec<&str> = text.split('/').collect();
        let mut levels = Vec::with_capacity(parts.len());
        for (n, part) in parts.iter().enumerate() {
            let level = match *part {
                "+" => Level::Any,
                "#" if n + 1 == parts.len() => Level::Rest,
                "#" => return Err("\"#\" may stand only at the end".to_owned()),
                part => match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                    Some(name) => {
                        if let Some(why) = ids::why_not_a_name(name) {
                            return Err(format!("the wildcard {part:?} has no proper name: {why}"));
                        }
                        let name: Arc<str> = Arc::from(name);
                        if levels.contains(&Level::Named(Arc::clone(&name))) {
                            return Err(format!("the wildcard {part:?} stands twice"));
                        }
                        Level::Named(name)
                    }
                    None if part.contains(['+', '#', '{', '}', '\0']) => {
                        return Err(format!("{part:?}: a wildcard must be a whole level"));
                    }
                    None => Level::Exact(part.to_owned()),
                },
            };
            levels.push(level);
        }
        Ok(Self { levels })
    }

    /// Whether the pattern has a wildcard of this name.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::Named(known) if **known == *name))
    }

    /// The MQTT filter that a subscriber must ask for.
    #[must_use]
    pub fn filter(&self) -> String {
        let levels: Vec<&str> = self
            .levels
            .iter()
            .map(|level| match level {
                Level::Exact(text) => text.as_str(),
                Level::Named(_) | Level::Any => "+",
                Level::Rest => "#",
            })
            .collect();
        levels.join("/")
    }

    /// Compares a topic; `None` when it does not fit.
    #[must_use]
    pub fn matches<'t>(&self, topic: &'t str) -> Option<Captures<'_, 't>> {
        // MQTT 4.7.2: wildcards at the front do not see the server's own topics.
        if topic.starts_with('$') && !matches!(self.levels.first(), Some(Level::Exact(_))) {
            return None;
        }
        let mut captures = SmallVec::new();
        let mut parts = topic.split('/');
        for level in &self.levels {
            if *level == Level::Rest {
                return Some(Captures(captures));
            }
            let part = parts.next()?;
            match level {
                Level::Exact(text) if text == part => {}
                Level::Exact(_) => return None,
                Level::Named(name) => captures.push((&**name, part)),
                Level::Any | Level::Rest => {}
            }
        }
        parts.next().is_none().then_some(Captures(captures))
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, level) in self.levels.iter().enumerate() {
            if n > 0 {
                f.write_str("/")?;
            }
            match level {
                Level::Exact(text) => f.write_str(text)?,
                Level::Named(name) => write!(f, "{{{name}}}")?,
                Level::Any => f.write_str("+")?,
                Level::Rest => f.write_str("#")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_each_of_our_topics() {
        for (text, leaf) in [
            ("orderly/v1/main/bp_meter/bp-0001/up/reading", Leaf::Up("reading")),
            ("orderly/v1/main/bp_meter/bp-0001/cmd/c1", Leaf::Command("c1")),
            ("orderly/v1/main/bp_meter/bp-0001/cmd/c1/ack", Leaf::CommandAck("c1")),
            ("orderly/v1/main/bp_meter/bp-0001/status", Leaf::Status),
        ] {
            let topic = Topic { site: "main", class: "bp_meter", device: "bp-0001", leaf };
            assert_eq!(Topic::parse(text), Ok(topic));
            assert_eq!(topic.to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, part) in [
            ("tele/x/SENSOR", "does not begin with"),
            ("orderly/v1/main", "the class is missing"),
            ("orderly/v1/main/bp_meter/a b/up/x", "cannot be a device"),
            ("orderly/v1/main/bp_meter/bp-1", "the level after the device is missing"),
            ("orderly/v1/main/bp_meter/bp-1/up", "the stream is missing"),
            ("orderly/v1/main/bp_meter/bp-1/down/x", "\"down\" is not up, cmd or status"),
            ("orderly/v1/main/bp_meter/bp-1/up/x/y", "one level too many"),
            ("orderly/v1/main/bp_meter/bp-1/cmd/x/nack", "\"nack\" after the command id"),
        ] {
            let error = Topic::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn patterns_name_their_wildcards() {
        let pattern = TopicPattern::parse("foo/{device}/bar/+").unwrap();
        assert_eq!(pattern.filter(), "foo/+/bar/+");
        assert_eq!(pattern.matches("foo/m7/bar/x").and_then(|c| c.get("device")), Some("m7"));
        assert!(pattern.matches("foo/m7/bar").is_none());
        assert!(pattern.matches("foo/m7/bar/x/y").is_none());
        let rest = TopicPattern::parse("{device}/#").unwrap();
        assert_eq!(rest.matches("m7/a/b").and_then(|c| c.get("device")), Some("m7"));
        assert!(rest.matches("m7").is_some(), "MQTT 4.7.1.2: # also stands for the parent level");
        assert!(rest.matches("$SYS/uptime").is_none());
        for bad in ["", "a/#/b", "a/x+", "a/{b", "{d}/{d}", "a/{-}"] {
            assert!(TopicPattern::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_is_written_is_read_again(
            names in proptest::collection::vec("[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", 4),
            kind in 0..4_u8,
        ) {
            let leaf = match kind {
                0 => Leaf::Up(&names[3]),
                1 => Leaf::Command(&names[3]),
                2 => Leaf::CommandAck(&names[3]),
                _ => Leaf::Status,
            };
            let topic = Topic { site: &names[0], class: &names[1], device: &names[2], leaf };
            let text = topic.to_string();
            prop_assert_eq!(Topic::parse(&text), Ok(topic));
        }

        #[test]
        fn arbitrary_topics_never_panic(text in ".{0,120}") {
            if let Ok(topic) = Topic::parse(&text) {
                prop_assert_eq!(topic.to_string(), text.clone());
            }
            if let Ok(pattern) = TopicPattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }
    }
}
