//! Who a client is, and which topics are its own.

use std::net::SocketAddr;

use orderly_core::ids::{ClassId, DeviceId, SiteId};

/// What a client shows at the door.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Its own name for the connection.
    pub client_id: &'a str,
    /// User name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a [u8]>,
    /// Where it comes from.
    pub peer: SocketAddr,
}

/// What the register says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// No credential exists yet and the client is on loopback (DESIGN 7.12).
    Anonymous,
    /// It is this device.
    Device {
        /// The device.
        device: DeviceId,
        /// Its class.
        class: ClassId,
    },
    /// It is nobody.
    Refused,
}

/// The register, as the door sees it.
pub trait Logins: Send + Sync + 'static {
    /// Decides who it is. Must not block: it is called on the threads of the runtime.
    fn check(&self, attempt: &Attempt<'_>) -> Login;
}

/// The topics of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What all its topics begin with, the last slash included.
    prefix: String,
    /// How many names stand between the prefix and `up`, `status` or `cmd`: class and device, or none.
    names: usize,
}

impl Rights {
    /// The topics that a login gives; `None` when it gives nothing.
    #[must_use]
    pub fn of(login: &Login, site: &SiteId) -> Option<Self> {
        match login {
            Login::Anonymous => Some(Self { prefix: format!("orderly/v1/{site}/"), names: 2 }),
            Login::Device { device, class } => {
                Some(Self { prefix: format!("orderly/v1/{site}/{class}/{device}/"), names: 0 })
            }
            Login::Refused => None,
        }
    }

    /// Whether it is nobody in particular.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.names != 0
    }

    /// Whether the client may send to this topic: `up/...`, `status`, and answers to commands.
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        let Some(rest) = self.own(topic) else { return false };
        rest == "status"
            || rest.strip_prefix("up/").is_some_and(|stream| !stream.is_empty())
            || rest.strip_prefix("cmd/").is_some_and(|cmd| cmd.ends_with("/ack") && cmd.len() > "/ack".len())
    }

    /// Whether the client may hear this filter: commands of its own, and nothing else.
    #[must_use]
    pub fn may_hear(&self, filter: &str) -> bool {
        self.own(filter).and_then(|rest| rest.strip_prefix("cmd/")).is_some_and(|cmd| !cmd.is_empty())
    }

    /// What follows the device's name in one of the client's own topics.
    fn own<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let mut rest = topic.strip_prefix(&*self.prefix)?;
        for _ in 0..self.names {
            let (name, after) = rest.split_once('/')?;
            if name.is_empty() || name.contains(['+', '#']) {
                return None;
            }
            rest = after;
        }
        Some(rest)
    }
}

/// Whether a topic is a device's own word on whether it is there.
#[must_use]
pub fn is_status(topic: &str) -> bool {
    topic.ends_with("/status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(login: &Login) -> Rights {
        Rights::of(login, &SiteId::new("main").unwrap()).unwrap()
    }

    #[test]
    fn a_device_reaches_its_own_topics_only() {
        let device = rights(&Login::Device {
            device: DeviceId::new("bp-1").unwrap(),
            class: ClassId::new("bp_meter").unwrap(),
        });
        for own in ["up/reading", "up/a/b", "status", "cmd/7/ack"] {
            assert!(device.may_publish(&format!("orderly/v1/main/bp_meter/bp-1/{own}")), "{own}");
        }
        for foreign in [
            "orderly/v1/main/bp_meter/bp-2/up/reading",
            "orderly/v1/main/bp_meter/bp-10/up/reading",
            "orderly/v1/main/wheelchair/bp-1/up/reading",
            "orderly/v1/other/bp_meter/bp-1/up/reading",
            "orderly/v1/main/bp_meter/bp-1/up/",
            "orderly/v1/main/bp_meter/bp-1/up",
            "orderly/v1/main/bp_meter/bp-1/cmd/7",
            "orderly/v1/main/bp_meter/bp-1/cmd//ack/x",
            "orderly/v1/main/bp_meter/bp-1/",
            "$SYS/x",
        ] {
            assert!(!device.may_publish(foreign), "{foreign}");
        }
        assert!(device.may_hear("orderly/v1/main/bp_meter/bp-1/cmd/#"));
        for foreign in ["#", "orderly/v1/main/+/bp-1/cmd/#", "orderly/v1/main/bp_meter/bp-1/up/#"] {
            assert!(!device.may_hear(foreign), "{foreign}");
        }
        assert_eq!(Rights::of(&Login::Refused, &SiteId::new("main").unwrap()), None);
    }

    #[test]
    fn an_anonymous_client_speaks_for_any_device_of_the_site() {
        let anyone = rights(&Login::Anonymous);
        assert!(anyone.is_anonymous());
        assert!(anyone.may_publish("orderly/v1/main/bp_meter/bp-1/up/reading"));
        assert!(anyone.may_publish("orderly/v1/main/bp_meter/bp-1/status"));
        assert!(anyone.may_hear("orderly/v1/main/sign/s-1/cmd/+"));
        for foreign in ["orderly/v1/other/a/b/up/x", "orderly/v1/main/a/up/x", "orderly/v1/main//b/up/x"] {
            assert!(!anyone.may_publish(foreign), "{foreign}");
        }
        assert!(!anyone.may_hear("orderly/v1/main/sign/+/cmd/+"));
    }
}
