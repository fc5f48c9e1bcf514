//! Requests and replies, one JSON object a line.

use orderly_core::ids::{ClassId, DeviceId, FirmwareId, ProfileId, ZoneId};
use orderly_core::inventory::Listed;
use orderly_core::registry::Change;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", deny_unknown_fields)]
pub enum Request {
    /// Put a device on the register with a new secret, or give a known one a new secret.
    #[serde(rename = "device.add")]
    DeviceAdd {
        /// Its name.
        device: DeviceId,
        /// Its class.
        class: ClassId,
        /// Its profile; without it the only one of the class.
        profile: Option<ProfileId>,
        /// Where it is.
        zone: Option<ZoneId>,
        /// Version of its firmware.
        #[serde(default)]
        firmware: Option<FirmwareId>,
        /// Chosen by the client: the same key twice is one order.
        key: String,
    },
    /// Enter lines of the hospital's list into the register.
    #[serde(rename = "device.import")]
    DeviceImport {
        /// The lines.
        lines: Vec<Listed>,
        /// Only say what would become of them.
        dry_run: bool,
        /// Chosen by the client.
        key: String,
    },
    /// Change rows of the registry of places and things.
    #[serde(rename = "registry.change")]
    RegistryChange {
        /// The changes.
        changes: Vec<Change>,
        /// Chosen by the client.
        key: String,
    },
    /// The register.
    #[serde(rename = "device.list")]
    DeviceList,
    /// Devices that speak and are on no register.
    #[serde(rename = "device.unknown")]
    DeviceUnknown,
    /// Take such a device on, and read what stands in quarantine of it.
    #[serde(rename = "device.adopt")]
    DeviceAdopt {
        /// Its name.
        device: DeviceId,
        /// Its profile; without it the only one that fits.
        profile: Option<ProfileId>,
        /// Where it is.
        zone: Option<ZoneId>,
        /// Chosen by the client: the same key twice is one order.
        key: String,
    },
    /// Take on the unknown device with the code that is printed on it.
    #[serde(rename = "device.claim")]
    DeviceClaim {
        /// What is printed on it.
        code: String,
        /// Its name, where several say the same code.
        device: Option<DeviceId>,
        /// Its profile; without it the only one that fits.
        profile: Option<ProfileId>,
        /// Where it is.
        zone: Option<ZoneId>,
        /// Chosen by the client: the same key twice is one order.
        key: String,
    },
    /// Take a device off the register; its readings stay.
    #[serde(rename = "device.revoke")]
    DeviceRevoke {
        /// Its name.
        device: DeviceId,
        /// Chosen by the client: the same key twice is one order.
        key: String,
    },
    /// Tell a device to do something.
    #[serde(rename = "command")]
    Command {
        /// The device.
        device: DeviceId,
        /// Which command of its profile.
        command: String,
        /// What must be said with it.
        value: Option<String>,
        /// Why, in the person's words.
        reason: String,
        /// Chosen by the client: the same key twice is one order.
        key: String,
    },
    /// What became of a command.
    #[serde(rename = "command.state")]
    CommandState {
        /// Its name, as the order was answered with.
        id: String,
    },
    /// How the daemon is.
    #[serde(rename = "status")]
    Status,
    /// End in order.
    #[serde(rename = "stop")]
    Stop,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done, and what there is to say.
    Ok(Value),
    /// Not done, and why.
    Error(String),
}

impl Reply {
    /// The reply as a result.
    ///
    /// # Errors
    /// When it says why something was not done.
    pub fn into_result(self) -> Result<Value, String> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Error(why) => Err(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_verb_and_nothing_unknown() {
        let list: Request = serde_json::from_str(r#"{"verb":"device.list"}"#).unwrap();
        assert_eq!(list, Request::DeviceList);
        let revoke: Request =
            serde_json::from_str(r#"{"verb":"device.revoke","device":"a","key":"1"}"#).unwrap();
        assert!(matches!(revoke, Request::DeviceRevoke { .. }));
        assert!(
            serde_json::from_str::<Request>(r#"{"verb":"device.add","device":"a/b","class":"c","key":"1"}"#)
                .is_err()
        );
        assert!(serde_json::from_str::<Request>(r#"{"verb":"reboot"}"#).is_err());
        assert_eq!(serde_json::to_string(&Reply::Error("no".into())).unwrap(), r#"{"error":"no"}"#);
    }
}
