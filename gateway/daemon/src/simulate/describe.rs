//! What a gateway must know of the simulated devices: the list for its register, and a part of its settings.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::Simulation;
use super::hospital::Hospital;

/// The list, as `orderly device import` reads it.
pub(super) fn list(hospital: &Hospital) -> String {
    let mut list = "device,class,profile\n".to_owned();
    for (device, class, profile) in hospital.made() {
        // A text takes any line.
        _ = writeln!(list, "{device},{class},{profile}");
    }
    list
}

impl Simulation {
    /// Writes the list of devices (`devices.csv`, for `orderly device import`) and the settings that reach the
    /// others (`simulated.toml`, for `conf.d`) into a folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn describe(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("devices.csv"), self.list())?;
        std::fs::write(folder.join("simulated.toml"), self.settings())
    }

    fn settings(&self) -> String {
        let mut text = String::new();
        if let Some(broker) = &self.options.broker {
            let topics = [
                "application/+/device/+/event/up",
                "zigbee2mqtt/+",
                "ble/+/+/advertisement",
                "home/+/BTtoMQTT/+",
            ];
            _ = writeln!(text, "[mqtt.simulated]\nurl = \"mqtt://{broker}\"\nsubscribe = {topics:?}\n");
        }
        if let Some(address) = self.modbus {
            _ = writeln!(text, "[modbus.simulated]\naddress = \"{address}\"\n");
            for unit in self.units() {
                _ = writeln!(
                    text,
                    "[[modbus.simulated.device]]\nid = \"{}\"\nclass = \"{}\"\nprofile = \"{}\"\nunit = {}\nevery = \"2s\"\n",
                    unit.device, unit.class, unit.profile, unit.unit
                );
            }
        }
        text
    }
}
