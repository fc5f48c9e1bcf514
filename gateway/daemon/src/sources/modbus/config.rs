//! One link and the devices behind it.

use std::sync::Arc;
use std::time::Duration;

use orderly_core::ids::{ClassId, DeviceId, SiteId, ZoneId};
use orderly_core::profile::{Codec, Profile};
use orderly_core::record::Order;

use super::schedule::Patience;
use super::wire::{Endpoint, Names};
use crate::config::{ModbusDevice, ModbusSettings};

/// A Modbus link: a TCP connection or a serial line, and the devices behind it.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Its name in the settings.
    pub name: String,
    /// The ways to them; the first that can be reached is used.
    pub endpoints: Vec<Endpoint>,
    /// How long an answer, or a connection, may take.
    pub timeout: Duration,
    /// How long a serial line must be silent after an answer that did not come.
    pub late: Duration,
    /// How devices that do not answer are treated.
    pub patience: Patience,
    /// Pause between a new connection and its first request.
    pub connect_delay: Duration,
    /// Pause between two requests.
    pub gap: Duration,
    /// The devices.
    pub devices: Vec<Polled>,
}

/// A device that is polled.
#[derive(Debug, Clone)]
pub struct Polled {
    /// Its name.
    pub id: DeviceId,
    /// Its class.
    pub class: ClassId,
    /// Where it is.
    pub zone: Option<ZoneId>,
    /// Unit number.
    pub unit: u8,
    /// How often it is read.
    pub every: Duration,
    /// How its registers are read.
    pub profile: Arc<Profile>,
}

impl LinkConfig {
    /// Resolves the settings of a link against the profiles in force.
    ///
    /// # Errors
    /// The device and what is wrong with it.
    pub fn from_settings(
        name: &str,
        settings: &ModbusSettings,
        profiles: &[Arc<Profile>],
        names: &Names,
    ) -> Result<Self, String> {
        let devices = settings.device.iter().map(|device| polled(name, device, profiles));
        Ok(Self::with(name, settings, devices.collect::<Result<_, _>>()?, names))
    }

    /// The same; a device whose profile cannot be used is not polled, those beside it are.
    #[must_use]
    pub fn usable(name: &str, settings: &ModbusSettings, profiles: &[Arc<Profile>], names: &Names) -> Self {
        let polled = |device| {
            let polled = polled(name, device, profiles);
            polled.inspect_err(|error| tracing::error!(%error, "a device is not polled")).ok()
        };
        Self::with(name, settings, settings.device.iter().filter_map(polled).collect(), names)
    }

    fn with(name: &str, settings: &ModbusSettings, devices: Vec<Polled>, names: &Names) -> Self {
        Self {
            name: name.to_owned(),
            endpoints: std::iter::once(&settings.address)
                .chain(&settings.backup)
                .map(|address| Endpoint::beside(address, settings, names))
                .collect(),
            timeout: settings.timeout.0,
            late: settings.late.0,
            patience: Patience::default(),
            connect_delay: settings.connect_delay.0,
            gap: settings.gap.0,
            devices,
        }
    }

    /// The orders that put these devices on the register, or bring their rows up to date.
    #[must_use]
    pub fn registrations(&self) -> Vec<Order> {
        let order = |polled: &Polled| Order::RegisterDevice {
            device: polled.id.clone(),
            class: polled.class.clone(),
            profile: Some(polled.profile.id().clone()),
            zone: polled.zone.clone(),
            credential: None,
            commissioned_at: None,
            firmware: None,
        };
        self.devices.iter().map(order).collect()
    }
}

impl Polled {
    /// The topic on which the device would publish what a poll brings.
    #[must_use]
    pub fn topic(&self, site: &SiteId) -> String {
        format!("orderly/v1/{site}/{}/{}/up/{}", self.class, self.id, self.profile.stream())
    }
}

fn polled(link: &str, device: &ModbusDevice, profiles: &[Arc<Profile>]) -> Result<Polled, String> {
    let wrong = |why: String| format!("modbus.{link}: device {:?}: {why}", device.id);
    let id = DeviceId::new(&device.id).map_err(|e| wrong(e.to_string()))?;
    let class = ClassId::new(&device.class).map_err(|e| wrong(e.to_string()))?;
    let zone = match device.zone.as_str() {
        "" => None,
        zone => Some(ZoneId::new(zone).map_err(|e| wrong(e.to_string()))?),
    };
    let profile = choose(profiles, &device.class, &device.profile).map_err(wrong)?;
    Ok(Polled { id, class, zone, unit: device.unit, every: device.every.0, profile })
}

fn choose(profiles: &[Arc<Profile>], class: &str, name: &str) -> Result<Arc<Profile>, String> {
    let polled = |p: &&Arc<Profile>| matches!(p.codec(), Codec::Registers(_)) && p.class().as_str() == class;
    // Without a name it is the generic model: the models of makers are for devices that name them.
    let some = name.is_empty() && profiles.iter().filter(polled).any(|p| p.is_for_any_of_its_class());
    let wanted = |p: &&Arc<Profile>| match name {
        "" => !some || p.is_for_any_of_its_class(),
        name => p.id().as_str() == name,
    };
    let mut found = profiles.iter().filter(polled).filter(wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(Arc::clone(one)),
        (Some(_), Some(_)) => {
            Err(format!("class {class:?} has several Modbus profiles; name one with `profile`"))
        }
        (None, _) if name.is_empty() => Err(format!("class {class:?} has no Modbus profile")),
        (None, _) => Err(format!("class {class:?} has no Modbus profile {name:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: &str, head: &str) -> Arc<Profile> {
        let text = format!(
            r#"
[profile]
id = "{id}"
class = "charger"
vendor = "v"
model = "m"
version = "1"
schema = 1
{head}
[source]
document = "d"
[codec]
kind = "registers"
[[metric]]
name = "power"
register = {{ kind = "input", address = 0 }}
unit = "W"
[[test]]
input = ["input 0 = 5"]
from = "constructed"
[test.expect]
power = 5
"#
        );
        Arc::new(Profile::parse(&text, id).unwrap())
    }

    #[test]
    fn a_device_that_names_no_profile_gets_the_generic_one() {
        let maker = |id: &str| profile(id, "named_only = true");
        let mut profiles = vec![maker("acme-1"), profile("generic", ""), maker("acme-2")];
        let chosen = |profiles: &[Arc<Profile>], name: &str| {
            choose(profiles, "charger", name).map(|profile| profile.id().to_string())
        };
        assert_eq!(chosen(&profiles, ""), Ok("generic".to_owned()));
        assert_eq!(chosen(&profiles, "acme-2"), Ok("acme-2".to_owned()));
        profiles.remove(1);
        assert!(chosen(&profiles, "").unwrap_err().contains("several"));
        assert_eq!(chosen(&profiles[..1], ""), Ok("acme-1".to_owned()));
    }
}
