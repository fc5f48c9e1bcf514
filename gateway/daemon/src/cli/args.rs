//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use orderly_core::ids::{ClassId, DeviceId, ProfileId, ZoneId};

use super::lang::Lang;

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
    /// Print the settings that hold.
    PrintConfig,
    /// The register of devices.
    #[command(subcommand)]
    Device(Device),
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
    /// Say which profiles and rules a start with these settings would change.
    #[arg(long)]
    pub diff: bool,
}

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
    },
    /// List the register.
    List,
    /// Take a device off the register; its readings stay.
    Revoke {
        /// Its name.
        device: DeviceId,
    },
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
