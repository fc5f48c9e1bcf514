//! The first packet: CONNECT, login, take-over, CONNACK.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::Flags;
use tokio::io::AsyncRead;
use tokio::sync::oneshot;

use super::conn::Client;
use super::rights::{Attempt, Login, Rights};
use super::sessions::{Entered, Key};
use super::wills::Will;
use super::{Door, REPEATS_MS, RESUMED_MS};
use crate::sources::mqtt::socket::{Filled, fill};
use crate::sources::mqtt::wire::{self, Announce, Bad, Connect, Header, Version};

/// Most that a client may say before it is known.
const MAX_CONNECT: usize = 4 << 10;
/// Longest client id that is kept.
const MAX_CLIENT_ID: usize = 256;
/// How long a new connection waits for the old one of the same client to say its last word.
const TAKE_OVER: Duration = Duration::from_secs(2);

/// Why a client is not let in, and what is said to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The label under which it is counted.
    pub reason: &'static str,
    /// A CONNACK, or nothing.
    pub words: Vec<u8>,
}

impl Refusal {
    const fn silent(reason: &'static str) -> Self {
        Self { reason, words: Vec::new() }
    }

    fn told(reason: &'static str, version: Version, v4: u8, v5: u8) -> Self {
        let mut words = Vec::new();
        wire::refuse(&mut words, version, if version == Version::V4 { v4 } else { v5 });
        Self { reason, words }
    }
}

/// Waits for the CONNECT and decides. What came behind it stays in `inbox`; the CONNACK is put into `out`.
pub async fn hello<R: AsyncRead + Unpin>(
    door: &Arc<Door>,
    reader: &mut R,
    peer: SocketAddr,
    inbox: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Client, Refusal> {
    let first = tokio::time::timeout(door.settings.hello, first_packet(reader, inbox));
    let header = first.await.unwrap_or(Err(Refusal::silent("no_connect")))?;
    let end = header.head + header.body;
    let body = inbox.get(header.head..end).unwrap_or_default();
    let connect = Connect::read(body).map_err(refuse_packet)?;
    let (client, here) = admit(door, &connect, peer, out).await?;
    inbox.drain(..end);
    door.tally.welcomed(if client.version == Version::V4 { "3.1.1" } else { "5" });
    Ok(Client { here: Some(here), ..client })
}

async fn first_packet<R: AsyncRead + Unpin>(reader: &mut R, inbox: &mut Vec<u8>) -> Result<Header, Refusal> {
    loop {
        if inbox.first().is_some_and(|&first| first != 0x10) {
            return Err(Refusal::silent("not_connect"));
        }
        if let Some(header) = wire::header(inbox).map_err(|bad| Refusal::silent(bad.label()))? {
            if header.body > MAX_CONNECT {
                return Err(Refusal::silent("too_large"));
            }
            if inbox.len() >= header.head + header.body {
                return Ok(header);
            }
        }
        match fill(reader, inbox, || true).await {
            Ok(Filled::Some) => {}
            Ok(Filled::End | Filled::Held) | Err(_) => return Err(Refusal::silent("lost")),
        }
    }
}

fn refuse_packet(bad: Bad) -> Refusal {
    match bad {
        Bad::Level(level) if level < 5 => Refusal::told(bad.label(), Version::V4, 0x01, 0x84),
        Bad::Level(_) | Bad::Authentication => Refusal::told(bad.label(), Version::V5, 0x01, bad.code()),
        _ => Refusal::silent(bad.label()),
    }
}

/// Login, rights, session.
async fn admit(
    door: &Arc<Door>,
    connect: &Connect<'_>,
    peer: SocketAddr,
    out: &mut Vec<u8>,
) -> Result<(Client, oneshot::Sender<()>), Refusal> {
    let version = connect.version;
    let refused = |reason, v4, v5| Refusal::told(reason, version, v4, v5);
    let id_is_bad = connect.client_id.len() > MAX_CLIENT_ID
        || (version == Version::V4 && connect.client_id.is_empty() && !connect.clean);
    if id_is_bad {
        return Err(refused("client_id", 0x02, 0x85));
    }
    let &Connect { client_id, username, password, .. } = connect;
    let login = door.logins.check(&Attempt { client_id, username, password, peer });
    let Some(rights) = Rights::of(&login, &door.settings.site) else {
        return Err(if username.is_some() {
            refused("login", 0x04, 0x86)
        } else {
            refused("no_credential", 0x05, 0x87)
        });
    };
    if connect.will.is_some_and(|will| !rights.may_publish(will.topic)) {
        return Err(refused("foreign_will", 0x05, 0x87));
    }
    if door.intake.append(&[]).is_err() {
        return Err(refused("journal", 0x03, 0x88));
    }
    let number = door.next_connection();
    let assigned = client_id.is_empty().then(|| format!("auto-{number}"));
    let key = Key {
        device: if let Login::Device { device, .. } = &login { device.to_string() } else { String::new() },
        client_id: assigned.clone().unwrap_or_else(|| client_id.to_owned()),
    };
    let Some(entered) = door.sessions.enter(&key, number, connect.clean, door.now_ms()) else {
        return Err(refused("sessions", 0x03, 0x97));
    };
    let Entered { session_present, seen_before, too_large, mut kicked, bell, here, before } = entered;
    if let Some(before) = before {
        // The old connection's will stands in the journal before anything of the new one.
        tokio::select! {
            _ = tokio::time::timeout(TAKE_OVER, before) => {}
            _ = &mut kicked => return Err(Refusal::silent("taken_over")),
        }
    }
    let max_expiry = u32::try_from(door.settings.max_session_expiry.as_secs()).unwrap_or(u32::MAX);
    let expiry = connect.session_expiry.min(max_expiry);
    door.sessions.set_expiry(&key, number, u64::from(expiry) * 1_000);
    let announce = Announce {
        receive_maximum: door.settings.receive_maximum,
        packet_size: u32::try_from(door.settings.max_taken).unwrap_or(u32::MAX),
        session_expiry: (expiry != connect.session_expiry).then_some(expiry),
        client_id: assigned.as_deref(),
    };
    wire::connack(out, version, session_present, announce);
    let flags = if rights.is_anonymous() { Flags::ANONYMOUS } else { Flags::default() };
    let now_ms = door.now_ms();
    let comes_back =
        seen_before || (door.settings.resumed && now_ms.saturating_sub(door.opened_ms) < RESUMED_MS);
    let client = Client {
        version,
        rights,
        key,
        number,
        flags,
        // One and a half keep-alives; 0 is for ever.
        silence_ms: u64::from(connect.keep_alive) * 1_500,
        repeats_until_ms: if comes_back { now_ms + REPEATS_MS } else { 0 },
        session: Duration::from_secs(u64::from(expiry)),
        will: connect.will.as_ref().map(|will| Box::new(Will::keep(will, flags))),
        too_large,
        kicked,
        bell,
        sent: 0,
        here: None,
    };
    Ok((client, here))
}
