//! Opens a port, or says who has it and which key changes it.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Why a door could not be opened.
#[derive(Debug)]
pub struct PortError {
    address: SocketAddr,
    key: &'static str,
    owner: Option<Owner>,
    error: io::Error,
}

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub name: String,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, key, owner, error } = self;
        if error.kind() == io::ErrorKind::AddrInUse {
            write!(f, "{address} is in use")?;
            match owner {
                Some(owner) => write!(f, " by {} (pid {})", owner.name, owner.pid)?,
                None => f.write_str(" by another process")?,
            }
        } else {
            write!(f, "{address} cannot be opened: {error}")?;
        }
        let variable = key.to_uppercase().replace('.', "__");
        write!(f, "; choose another address with the key {key} or with ORDERLY__{variable}")
    }
}

impl std::error::Error for PortError {}

/// Opens `address`, which was set by the settings key `key`.
///
/// # Errors
/// When it cannot be opened; the sentence names the owner and the key.
pub fn open(address: SocketAddr, key: &'static str) -> Result<TcpListener, PortError> {
    let listener = TcpListener::bind(address).and_then(|l| l.set_nonblocking(true).map(|()| l));
    listener.map_err(|error| PortError { address, key, owner: owner_of(address.port()), error })
}

/// The process that listens on a TCP port of this machine, as far as we may see it.
#[must_use]
pub fn owner_of(port: u16) -> Option<Owner> {
    let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).find_map(|pid| {
        let mut files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let holds = |target: &str| inodes.iter().any(|inode| target == format!("socket:[{inode}]"));
        let found = files.any(|file| {
            file.is_ok_and(|f| fs::read_link(f.path()).is_ok_and(|t| t.to_str().is_some_and(holds)))
        });
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned();
        found.then_some(Owner { pid, name })
    })
}

/// The inode of a listening socket on `port`, from one line of `/proc/net/tcp`.
fn listening(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let local_port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    if state == LISTEN && local_port == port { inode.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_owner_and_the_key() {
        let held = open("127.0.0.1:0".parse().unwrap(), "listener.bind").unwrap();
        let address = held.local_addr().unwrap();
        let error = open(address, "listener.bind").unwrap_err().to_string();
        assert!(error.starts_with(&format!("{address} is in use by ")), "{error}");
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
        assert!(error.ends_with("with the key listener.bind or with ORDERLY__LISTENER__BIND"), "{error}");
    }
}
