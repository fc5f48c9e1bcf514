//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use orderly_core::ids::{ClassId, DeviceId, FirmwareId, ProfileId, SiteId, ZoneId};

use super::lang::Lang;
use crate::config::Span;
use crate::simulate::Faults;

/// Orderly: a hospital IoT gateway. Not a primary medical alarm.
#[derive(Debug, Parser)]
#[command(name = "orderly", version, about, max_term_width = 100)]
pub struct Args {
    /// Settings file; without it /etc/orderly/orderly.toml if it is there, else the built-in settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Language of messages: zh or en; without it that of LANG.
    #[arg(long, global = true, value_enum)]
    pub lang: Option<Lang>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Run,
    /// Check settings, profiles and rules.
    Check(Check),
    /// Decode payloads from standard input, a line each, and print the readings as JSON.
    Decode(Decode),
    /// Say what a changed profile would make of the messages in the journal; nothing is changed.
    #[command(long_about = REDECODE)]
    Redecode(Redecode),
    /// Say in which zones tags were, from a file of what readers heard; no gateway needed.
    #[command(long_about = REPLAY)]
    Replay(Replay),
    /// Make device profiles of another system's.
    #[command(subcommand)]
    Import(Import),
    /// Print the settings that hold.
    PrintConfig,
    /// Run a gateway with a simulated hospital beside it; boards on a free port.
    Demo(Demo),
    /// Run the simulated devices alone, against any broker or listener.
    Simulate(Simulate),
    /// The register of devices.
    #[command(subcommand)]
    Device(Device),
    /// The registry of places and things.
    #[command(subcommand)]
    Registry(Registry),
    /// Tell a device to do something, and say what became of it.
    #[command(name = "command")]
    Tell(Order),
    /// The journal of inputs.
    #[command(subcommand)]
    Journal(Journal),
    /// The chain of what must be provable.
    #[command(subcommand)]
    Audit(Audit),
    /// Say how the running gateway is.
    Status,
    /// End the running gateway in order.
    Stop,
    /// Succeed when the running gateway is ready.
    Healthcheck,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// How to check.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Say what each profile reads and each rule file is for.
    #[arg(long)]
    pub explain: bool,
    /// Say which profiles and rules a start or a reload would change, restart and clear.
    #[arg(long)]
    pub diff: bool,
}

/// What is decoded, and how.
#[derive(Debug, clap::Args)]
pub struct Decode {
    /// Name of a profile, or a profile's file.
    pub profile: String,
    /// LoRaWAN port of the payloads.
    #[arg(long, value_name = "N")]
    pub fport: Option<u8>,
    /// Version of the device's firmware, where the profile has variants.
    #[arg(long, value_name = "VERSION")]
    pub firmware: Option<FirmwareId>,
    /// Each line is an object: {"payload": .., "format": .., "fport": .., "topic": ..}.
    #[arg(long)]
    pub jsonl: bool,
    /// Topic of the payloads; without it the device's own.
    #[arg(long)]
    pub topic: Option<String>,
    /// How a payload is written; without it hex for codecs of bytes, else text.
    #[arg(long, value_enum)]
    pub format: Option<PayloadFormat>,
}

/// What a replay reads and says.
const REPLAY: &str = "\
Say in which zones tags were, from a file of what readers heard; no gateway needed.

Each line of the file is an object: {\"reader\": \"r-1\", \"tag\": \"chair-7\", \"rssi\": -71, \"time\": \
\"2026-11-21T08:00:00+08:00\"}, and \"moving\": true or false where the tag says so. The readers stand in a list (CSV) with \
the columns reader, zone, floor, kind (room, passage, exit) and offset_db. Lines may come up to 5 s out of order. Printed is \
a line of JSON for each step of a tag: seen, moved, jumped, lost or left, the zone, since when, and when that was certain.";

/// What is replayed.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// The file, or - for standard input.
    pub file: PathBuf,
    /// The list of readers.
    #[arg(long, value_name = "CSV")]
    pub readers: PathBuf,
}

/// What a second decoding says.
const REDECODE: &str = "\
Say what a changed profile would make of the messages in the journal; nothing is changed.

Messages of the devices that have this profile are decoded again, as far back as the journal is kept, and compared with \
what the history has of them: by message, and by metric with examples. Messages in quarantine that the changed profile \
could read are counted as well. It reads beside a running gateway. History is not corrected: the new profile counts for \
what comes from its reload on.";

/// What is decoded again.
#[derive(Debug, clap::Args)]
pub struct Redecode {
    /// The changed profile: its file, or the name of one that is installed.
    pub profile: String,
    /// Only messages of this device.
    #[arg(long)]
    pub device: Option<DeviceId>,
    /// Only messages that came within this time, as in 2d.
    #[arg(long, value_name = "SPAN")]
    pub since: Option<Span>,
    /// From this record of the journal on.
    #[arg(long, value_name = "RECORD", default_value_t = 1)]
    pub from: u64,
    /// So many examples of each metric.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub examples: usize,
}

/// From where device profiles come.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// The folders of the ChirpStack device profiles: one profile for each device whose codec has test cases.
    Chirpstack {
        /// The folder with `vendors` in it.
        dir: PathBuf,
        /// Write profiles and codecs here; without it they are only tried.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Class of the devices: the folders know none.
        #[arg(long, default_value = "lorawan")]
        class: ClassId,
    },
}

/// How a payload is written in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadFormat {
    /// Pairs of hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
    /// A JSON list of bytes.
    Bytes,
    /// As it is.
    Text,
}

/// What the demo shows.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Size of the hospital: 1 is one of 1,200 beds.
    #[arg(long, default_value_t = 0.05)]
    pub scale: f64,
    /// How many times as busy as a real day.
    #[arg(long, default_value_t = 10.0)]
    pub pace: f64,
    /// The same seed gives the same hospital.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What goes wrong: dup, late, clock, dead, flap, poison; all or none.
    #[arg(long, default_value = "dup,late,flap")]
    pub faults: Faults,
    /// Keep the data in this folder; without it they are gone at the end.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Write a line for every message that was sent to this file.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

/// What is simulated.
#[derive(Debug, clap::Args)]
pub struct Simulate {
    /// Broker or listener.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub mqtt: String,
    /// User name for it.
    #[arg(long, requires = "password_file")]
    pub username: Option<String>,
    /// File with the password for it.
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Serve the Modbus devices here.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub modbus: Option<SocketAddr>,
    /// Serve the Modbus devices as RTU on a pseudo-terminal; its path is printed, for `address` of a Modbus link.
    #[arg(long)]
    pub modbus_rtu: bool,
    /// One device of each shipped model of a maker too; put them on the register first, see --describe.
    #[arg(long)]
    pub makers: bool,
    /// The broker on which models of makers use their own topics; without it they use ours.
    #[arg(long, value_name = "HOST:PORT", requires = "makers")]
    pub broker: Option<String>,
    /// Write the list for `orderly device import` and the settings for conf.d into this folder, and end.
    #[arg(long, value_name = "DIR")]
    pub describe: Option<PathBuf>,
    /// The site in the topics.
    #[arg(long, default_value = "main")]
    pub site: SiteId,
    /// Size of the hospital: 1 is one of 1,200 beds.
    #[arg(long, default_value_t = 0.1)]
    pub scale: f64,
    /// How many times as busy as a real day.
    #[arg(long, default_value_t = 1.0)]
    pub pace: f64,
    /// The same seed gives the same hospital.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What goes wrong: dup, late, clock, dead, flap, poison; all or none.
    #[arg(long, default_value = "none")]
    pub faults: Faults,
    /// A pressure crisis, a warm fridge and a silent cabinet within the first minute.
    #[arg(long)]
    pub incidents: bool,
    /// Write a line for every message that was sent to this file.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// End after so long, as in 30s.
    #[arg(long)]
    pub duration: Option<Span>,
}

/// How a table of devices looks.
const IMPORT: &str = "\
Enter the devices of a CSV table; say line by line what cannot be entered.

The first line names the columns: device, and those of class, profile, zone, firmware and commissioned_at that are \
there (also in Chinese: 设备, 类别, 型号, 位置, 固件, 启用时间). The device is called as in its topics; behind a network \
server that is its DevEUI. A new device needs its class or its profile. An empty field changes nothing, `-` takes \
away. The file is UTF-8; commas, semicolons or tabs separate. Good lines go in, 500 at a time, each wholly or not at \
all; the same table twice changes nothing. No secrets are made: `orderly device add` gives a device its own.";

/// What files of the registry are.
const REGISTRY: &str = "\
Enter tables of places and things; say line by line what cannot be entered.

A file's name says what it holds: places.csv, ways.csv, parts.csv, pars.csv, spots.csv (or bays, docks, cabinets, slots, beds, \
fridges, points), items.csv, bindings.csv, shifts.csv, also bays-north.csv; a .toml holds any of them. A folder stands \
for all of its files. The first line names the columns, in English or Chinese. An import adds and changes and takes \
nothing away; the same files twice change nothing. What a line names must be there, or be in another of the files.";

/// What to do with the registry of places and things.
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Enter tables of places and things; say line by line what cannot be entered.
    #[command(long_about = REGISTRY)]
    Import {
        /// The files, or folders of them.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only say what would become of them.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write what is in the registry: a table for each kind into a folder, or all into one .toml file.
    Export {
        /// The folder, or the .toml file.
        to: PathBuf,
    },
}

/// What a claim code is.
const CLAIM: &str = "\
Put the unknown device on the register that has this code on its label.

The device must have spoken within the last hour. Its code is what it says itself on its topic .../up/claim (a text, \
{\"code\":\"...\"}, or {\"sha256\":\"...\"} of DEVICE:CODE), or its own address as it is printed: a DevEUI, a MAC, or the \
QR text LW:D0:... of a LoRaWAN device. Capitals and separators do not matter. After five wrong codes nobody may try for \
ten minutes; every try is audited.";

/// What to do with the register.
#[derive(Debug, Clone, Subcommand)]
pub enum Device {
    /// Enter a device and print its new secret, once.
    Add {
        /// Its name, as in its topics.
        device: DeviceId,
        /// Its class.
        #[arg(long)]
        class: ClassId,
        /// Its profile; without it the only one of the class.
        #[arg(long)]
        profile: Option<ProfileId>,
        /// Where it is.
        #[arg(long)]
        zone: Option<ZoneId>,
        /// Version of its firmware.
        #[arg(long)]
        firmware: Option<FirmwareId>,
    },
    /// Enter the devices of a CSV table; say line by line what cannot be entered.
    #[command(long_about = IMPORT)]
    Import {
        /// The table.
        file: PathBuf,
        /// Only say what would become of it.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the register: device, class, profile, zone, marks, firmware.
    List,
    /// List devices that speak and are on no register, with the profiles that read what they send.
    Unknown,
    /// Put such a device on the register and read what it said so far.
    Adopt {
        /// Its name.
        device: DeviceId,
        /// Its profile; without it the only one that fits.
        #[arg(long)]
        profile: Option<ProfileId>,
        /// Where it is.
        #[arg(long)]
        zone: Option<ZoneId>,
    },
    /// Put the unknown device on the register that has this code on its label.
    #[command(long_about = CLAIM)]
    Claim {
        /// What is printed on the device: its code, its address, or the text of its QR code.
        code: String,
        /// Its name, where several have the same code.
        #[arg(long)]
        device: Option<DeviceId>,
        /// Its profile; without it the only one that fits.
        #[arg(long)]
        profile: Option<ProfileId>,
        /// Where it is.
        #[arg(long)]
        zone: Option<ZoneId>,
    },
    /// Take a device off the register; its readings stay.
    Revoke {
        /// Its name.
        device: DeviceId,
    },
}

/// An order to a device.
#[derive(Debug, clap::Args)]
pub struct Order {
    /// The device.
    pub device: DeviceId,
    /// Which command of its profile.
    pub command: String,
    /// What must be said with it, where it asks for something.
    #[arg(long)]
    pub value: Option<String>,
    /// Why; it is kept with the command.
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub enum Journal {
    /// Read all of it and report damage.
    Check,
    /// Print its records, one JSON object a line.
    Dump {
        /// From this record on.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At most so many.
        #[arg(long, default_value_t = u64::MAX)]
        limit: u64,
    },
}

/// What to do with the audit chain.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check every link of the chain.
    Verify,
}
