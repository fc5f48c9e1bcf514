//! Commands to devices behind a broker, each over a connection of its own that begins clean and leaves nothing behind.
//!
//! In MQTT 5 a command goes out with QoS 1 and an expiry, so a broker that holds it for somebody lets go of it in time,
//! and tells us when nobody listens. A broker that only speaks 3.1.1 would keep it without an end for a device that is
//! away; it is given QoS 0, which brokers do not keep. Nothing is sent twice: when a connection breaks, the command on
//! it may have gone through, and nobody tries again.

use std::time::Duration;

use orderly_core::record::Found;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::sources::mqtt::wire::broker::{self, Introduce};
use crate::sources::mqtt::wire::{self, Message, Version};
use crate::sources::outgoing::{Outcomes, ToDevice, seconds_left};

/// No answer of a broker is longer.
const MAX_ANSWER: usize = 4 << 10;
/// The packet id of the only message of a connection.
const ID: u16 = 1;
/// Reason code of MQTT 5: nobody listens.
const NO_SUBSCRIBER: u8 = 0x10;

/// Sends what comes until `stop`.
pub async fn send_all(
    settings: Settings,
    outcomes: Outcomes,
    mut inbox: mpsc::Receiver<ToDevice>,
    stop: CancellationToken,
) {
    loop {
        let command = tokio::select! {
            () = stop.cancelled() => return,
            command = inbox.recv() => match command {
                Some(command) => command,
                None => return,
            },
        };
        let mut found = send(&settings, &outcomes, &command, Version::V5).await;
        if found == Err(Ended::OtherVersion) {
            // Nothing was sent yet. The next command asks again: a broker that was only restarting speaks 5 by then.
            tracing::info!(source = %settings.source, "the broker speaks no MQTT 5: the command goes with QoS 0");
            found = send(&settings, &outcomes, &command, Version::V4).await;
        }
        let found = match found {
            Ok(()) => continue,
            Err(Ended::OtherVersion) => {
                Found::NotConnected { why: "the broker refuses the version".to_owned() }
            }
            Err(Ended::Found(found)) => found,
        };
        outcomes.tell(&settings.source, &command.id, found);
    }
}

/// How a try ended, when there is something to tell.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    OtherVersion,
    Found(Found),
}

fn not_sent(why: impl Into<String>) -> Ended {
    Ended::Found(Found::NotConnected { why: why.into() })
}

fn perhaps(why: impl Into<String>) -> Ended {
    Ended::Found(Found::Unanswered { why: why.into() })
}

async fn send(
    settings: &Settings,
    outcomes: &Outcomes,
    command: &ToDevice,
    version: Version,
) -> Result<(), Ended> {
    let left = |now| seconds_left(command.expires_at, now).ok_or(Ended::Found(Found::Void));
    let patience = Duration::from_secs(u64::from(left(outcomes.now())?)).min(settings.patience);
    let opened = timeout(patience, settings.address.connect(settings.ca_file.as_deref())).await;
    let (mut reader, mut writer) = match opened {
        Ok(Ok(halves)) => halves,
        Ok(Err(error)) => return Err(not_sent(format!("the broker cannot be reached: {error}"))),
        Err(_) => return Err(not_sent("the broker does not answer")),
    };
    let mut hello = Vec::new();
    let client_id = format!("{}-cmd", settings.client_id);
    broker::connect(
        &mut hello,
        &Introduce {
            version,
            client_id: &client_id,
            clean: true,
            keep_alive: 60,
            session_expiry: 0,
            receive_maximum: 1,
            username: settings.username.as_deref(),
            password: settings.password.as_ref().map(|p| p.reveal()),
        },
    );
    let mut inbox = Vec::new();
    let greeted = timeout(patience, async {
        writer.write_all(&hello).await?;
        packet(&mut reader, &mut inbox).await
    });
    match greeted.await {
        Ok(Ok((0x20, body))) => match body.get(1) {
            Some(0) => {}
            Some(1 | 0x84) if version == Version::V5 => return Err(Ended::OtherVersion),
            code => return Err(not_sent(format!("the broker refuses us with {code:?}"))),
        },
        // Some old brokers hang up on a version that they do not know.
        Ok(Err(_)) if version == Version::V5 => return Err(Ended::OtherVersion),
        _ => return Err(not_sent("the broker does not answer")),
    }
    // Only now is it known how much time is left.
    let expiry = left(outcomes.now())?;
    let id = (version == Version::V5).then_some(ID);
    let mut out = Vec::new();
    let (topic, payload) = (&*command.topic, command.payload.as_bytes());
    let expiry = (!command.keep).then_some(expiry);
    wire::message(&mut out, version, &Message { topic, payload, id, retain: command.keep, expiry });
    let sent = timeout(patience, async {
        writer.write_all(&out).await?;
        writer.flush().await
    });
    if !matches!(sent.await, Ok(Ok(()))) {
        return Err(perhaps("the connection to the broker broke"));
    }
    let ended = if id.is_some() { taken(&mut reader, &mut inbox, patience, command).await } else { Ok(()) };
    out.clear();
    broker::goodbye(&mut out);
    // It is over either way; a broker that is gone needs no farewell.
    drop(timeout(Duration::from_secs(1), writer.write_all(&out)).await);
    drop(timeout(Duration::from_secs(1), writer.shutdown()).await);
    ended
}

/// Waits until the broker has taken the message.
async fn taken<R: AsyncRead + Unpin>(
    reader: &mut R,
    inbox: &mut Vec<u8>,
    patience: Duration,
    command: &ToDevice,
) -> Result<(), Ended> {
    match timeout(patience, packet(reader, inbox)).await {
        Ok(Ok((0x40, body))) => match body.get(2) {
            Some(&NO_SUBSCRIBER) if !command.keep => Err(not_sent("nobody listens on the device's topic")),
            Some(code) if *code >= 0x80 => Err(Ended::Found(Found::Refused {
                why: format!("the broker refuses the message with {code:#04x}"),
            })),
            _ => Ok(()),
        },
        Ok(Ok(_)) => Err(perhaps("the broker answered something else")),
        Ok(Err(_)) => Err(perhaps("the connection to the broker broke")),
        Err(_) => Err(perhaps("the broker did not confirm the message")),
    }
}

/// The first byte and the body of the next packet.
async fn packet<R: AsyncRead + Unpin>(reader: &mut R, inbox: &mut Vec<u8>) -> std::io::Result<(u8, Vec<u8>)> {
    let wrong = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    loop {
        if let Some(header) = wire::header(inbox).map_err(|_| wrong())? {
            if header.body > MAX_ANSWER {
                return Err(wrong());
            }
            let end = header.head + header.body;
            if let Some(body) = inbox.get(header.head..end) {
                let body = body.to_vec();
                inbox.drain(..end);
                return Ok((header.first, body));
            }
        }
        if reader.read_buf(inbox).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
