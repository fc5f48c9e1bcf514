//! One connection: reads, appends, and pays acknowledgements as the disk covers them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use orderly_core::record::{Entry, Flags, Kind};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::end::End;
use super::hello::hello;
use super::rights::{Rights, is_status};
use super::sessions::Key;
use super::wills::Will;
use super::{Door, Over, commands};
use crate::sources::intake::Durable;
use crate::sources::mqtt::acks::{Acks, Taken};
use crate::sources::mqtt::oversize;
use crate::sources::mqtt::socket::{Filled, farewell, fill};
use crate::sources::mqtt::wire::{self, Ack, Bad, Packet, Publish, Version};

/// Name of this source in the journal.
pub const SOURCE: &str = "listener";
/// Nothing more is read while this much waits to be written.
const MAX_OUT: usize = 64 << 10;
/// How long acknowledgements may still take when the daemon stops.
const LAST_ACKS: Duration = Duration::from_secs(1);

/// Who speaks.
pub struct Client {
    pub version: Version,
    pub rights: Rights,
    pub key: Key,
    /// Number of the connection.
    pub number: u32,
    /// Flags of all its records.
    pub flags: Flags,
    /// It is given up after this much silence; 0: never.
    pub silence_ms: u64,
    /// Until then what it sends may be a repeat.
    pub repeats_until_ms: u64,
    /// For how long its session outlives the connection.
    pub session: Duration,
    pub will: Option<Box<Will>>,
    /// Closes in a row for packets too large to take.
    pub too_large: u32,
    pub kicked: oneshot::Receiver<super::sessions::Kick>,
    /// Dropped when everything was said.
    pub here: Option<oneshot::Sender<()>>,
}

/// One connection that was let in.
pub struct Connection<R, W> {
    door: Arc<Door>,
    client: Client,
    reader: R,
    writer: W,
    inbox: Vec<u8>,
    /// How much of `inbox` was handled.
    at: usize,
    out: Vec<u8>,
    acks: Acks,
    large: Option<Box<oversize::Reading>>,
    durable: watch::Receiver<Durable>,
    /// Generation of the journal when the connection began; when it changes nothing is acknowledged any more.
    generation: u32,
    crowded: watch::Receiver<bool>,
    over: watch::Receiver<Over>,
    heard_ms: u64,
    /// The last try to read found too much waiting for the disk.
    held: bool,
}

/// Why nothing is read at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    No,
    /// Receive Maximum messages wait for the disk.
    Window,
    /// Too much of all sources waits for the disk.
    Unsynced,
    /// The engine is behind.
    Crowded,
    /// The client does not take its answers.
    Out,
}

impl<R, W> Connection<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    /// Serves one accepted connection from its first byte to its last.
    pub async fn serve(door: Arc<Door>, mut reader: R, mut writer: W, peer: SocketAddr) {
        door.tally.opened();
        let (mut inbox, mut out) = (Vec::new(), Vec::new());
        // Before the first append: what a failure takes away afterwards must show as another generation.
        let (mut durable, mut over) = (door.intake.durable(), door.over.subscribe());
        let generation = durable.borrow_and_update().generation;
        over.mark_unchanged();
        let entered = tokio::select! {
            entered = hello(&door, &mut reader, peer, &mut inbox, &mut out) => entered,
            () = stopping(&mut over) => {
                door.tally.closed("stopping");
                return;
            }
        };
        let client = match entered {
            Ok(client) => client,
            Err(refusal) => {
                door.tally.refused(refusal.reason);
                tracing::debug!(%peer, reason = refusal.reason, "a client was not let in");
                farewell(&mut reader, &mut writer, &refusal.words).await;
                door.tally.closed("refused");
                return;
            }
        };
        let (crowded, heard_ms) = (door.intake.crowded(), door.now_ms());
        let mut connection = Self {
            door,
            client,
            reader,
            writer,
            inbox,
            at: 0,
            out,
            acks: Acks::default(),
            large: None,
            durable,
            generation,
            crowded,
            over,
            heard_ms,
            held: false,
        };
        let end = connection.converse().await;
        connection.part(end).await;
    }

    async fn converse(&mut self) -> End {
        let mut silence = pin!(sleep(Duration::from_millis(self.client.silence_ms)));
        loop {
            if let Err(end) = self.take_in().and_then(|()| self.pay()) {
                return end;
            }
            let hold = self.hold();
            let owes = self.acks.waiting() > 0 || hold == Hold::Unsynced;
            let Self { door, client, reader, writer, inbox, out, durable, crowded, over, .. } = self;
            let max_unsynced = door.settings.max_unsynced;
            tokio::select! {
                biased;
                kick = &mut client.kicked => return kick.map_or(End::Stopping, End::Kicked),
                changed = over.changed() => {
                    let stopping = changed.is_err() || over.borrow().stopping;
                    return if stopping { End::Stopping } else { End::Journal };
                }
                changed = durable.changed(), if owes => if changed.is_err() {
                    return End::Stopping;
                },
                written = writer.write(out), if !out.is_empty() => match written {
                    Ok(n) if n > 0 => {
                        out.drain(..n);
                    }
                    Ok(_) | Err(_) => return End::Lost,
                },
                filled = fill(reader, inbox, || door.intake.unsynced_bytes() < max_unsynced), if hold == Hold::No => {
                    match filled {
                        Ok(Filled::Some) => self.heard_ms = door.now_ms(),
                        Ok(Filled::Held) => self.held = true,
                        Ok(Filled::End) | Err(_) => return End::Lost,
                    }
                }
                _ = crowded.changed(), if hold == Hold::Crowded => {}
                () = &mut silence, if client.silence_ms > 0 => {
                    let silent_ms = door.now_ms().saturating_sub(self.heard_ms);
                    if hold == Hold::No && silent_ms >= client.silence_ms {
                        return End::Silent;
                    }
                    // While we do not listen the silence is ours.
                    let left_ms = if hold == Hold::No { client.silence_ms - silent_ms } else { client.silence_ms };
                    silence.set(sleep(Duration::from_millis(left_ms)));
                }
            }
        }
    }

    fn hold(&mut self) -> Hold {
        let settings = &self.door.settings;
        if self.acks.waiting() >= usize::from(settings.receive_maximum) {
            Hold::Window
        } else if self.out.len() > MAX_OUT {
            Hold::Out
        } else if settings.bulk && *self.crowded.borrow_and_update() {
            Hold::Crowded
        } else if std::mem::take(&mut self.held) && self.door.intake.unsynced_bytes() >= settings.max_unsynced
        {
            self.held = true;
            Hold::Unsynced
        } else {
            Hold::No
        }
    }

    /// Handles all whole packets of the inbox, as far as the window allows.
    fn take_in(&mut self) -> Result<(), End> {
        loop {
            if let Some(large) = &mut self.large {
                self.at += large.feed(self.inbox.get(self.at..).unwrap_or_default());
                if !large.is_done() {
                    break;
                }
                self.take_large()?;
            }
            if !self.take_batch()? {
                break;
            }
        }
        if self.at == self.inbox.len() {
            // An idle connection holds no buffer.
            self.inbox = Vec::new();
        } else {
            self.inbox.drain(..self.at);
        }
        self.at = 0;
        Ok(())
    }

    /// Appends the messages of all whole packets at once. `true`: a large message began, so there may be more.
    fn take_batch(&mut self) -> Result<bool, End> {
        let flags = self.flags();
        let Self { door, client, inbox, at, out, acks, large, .. } = self;
        let settings = &door.settings;
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut bytes = 0;
        let mut result = Ok(false);
        while acks.waiting() < usize::from(settings.receive_maximum) {
            let rest = inbox.get(*at..).unwrap_or_default();
            let header = match wire::header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(bad) => {
                    result = Err(bad.into());
                    break;
                }
            };
            if header.body > settings.max_kept {
                result = begin_large(door, client, header, rest).map(|begun| {
                    begun.is_some_and(|(reading, head)| {
                        *at += head;
                        *large = Some(Box::new(reading));
                        true
                    })
                });
                break;
            }
            let Some(body) = rest.get(header.head..header.head + header.body) else { break };
            *at += header.head + header.body;
            let handled = match wire::packet(client.version, header.first, body) {
                Ok(Packet::Publish(publish)) => take(door, client, acks, out, &publish).map(|new| {
                    if new {
                        bytes += publish.payload.len();
                        entries.push(envelope(&publish, client.number, flags));
                    }
                }),
                Ok(packet) => answer(door, client, acks, out, packet),
                Err(bad) => Err(bad.into()),
            };
            if let Err(end) = handled {
                result = Err(end);
                break;
            }
        }
        if !entries.is_empty() {
            let appended = door.intake.append(&entries).map_err(|_| End::Journal)?;
            acks.settle(appended.last);
            door.tally.taken(entries.len(), bytes);
        }
        result
    }

    /// Appends the large message that was read through.
    fn take_large(&mut self) -> Result<(), End> {
        let Some(large) = self.large.take() else { return Ok(()) };
        let publish = Publish {
            topic: &large.topic.clone(),
            payload: &[],
            id: large.id,
            qos: large.qos,
            dup: large.dup,
            retain: false,
        };
        self.door.tally.oversize();
        let flags = self.flags();
        if take(&self.door, &mut self.client, &mut self.acks, &mut self.out, &publish)? {
            let Ok((body, oversize)) = large.body() else { return Err(End::Journal) };
            let entry =
                envelope(&Publish { payload: &body, ..publish }, self.client.number, flags.with(oversize));
            let appended = self.door.intake.append(&[entry]).map_err(|_| End::Journal)?;
            self.acks.settle(appended.last);
            self.door.tally.taken(1, body.len());
        }
        Ok(())
    }

    /// Writes down all acknowledgements that the disk covers.
    fn pay(&mut self) -> Result<(), End> {
        let durable = *self.durable.borrow_and_update();
        if durable.generation != self.generation {
            return Err(End::Journal);
        }
        let mut n = 0;
        for owed in self.acks.release(durable.seq) {
            wire::ack(&mut self.out, owed.ack, owed.id, owed.code);
            n += 1;
        }
        if n > 0 {
            self.door.tally.acked(n);
        }
        Ok(())
    }

    fn flags(&self) -> Flags {
        // The time was read when the bytes came.
        let repeats = self.heard_ms < self.client.repeats_until_ms;
        if repeats { self.client.flags.with(Flags::AFTER_RECONNECT) } else { self.client.flags }
    }

    /// Says why, says the will, and leaves the session.
    async fn part(mut self, end: End) {
        if end == End::Stopping {
            // Ends early when all is paid; what the disk does not cover in time stays without acknowledgement.
            drop(tokio::time::timeout(LAST_ACKS, self.pay_the_rest()).await);
        }
        let door = Arc::clone(&self.door);
        let client = self.client;
        if let (End::Left(leave), false) = (end, client.session.is_zero())
            && let Some(seconds) = leave.expiry
        {
            let most = door.settings.max_session_expiry;
            let expiry = Duration::from_secs(u64::from(seconds)).min(most);
            let expiry_ms = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX);
            door.sessions.set_expiry(&client.key, client.number, expiry_ms);
        }
        if end == End::Bad(Bad::TooLarge) {
            let times = door.sessions.too_large(&client.key);
            tracing::warn!(client.id = %client.key.client_id, device.id = %client.key.device, times,
                "closed for a packet larger than is taken");
        }
        if let Some(will) = client.will.filter(|_| end.wants_will()) {
            will.execute(&door, client.key.clone(), client.number, client.session);
        }
        door.sessions.leave(&client.key, client.number, door.now_ms());
        drop(client.here);
        tracing::debug!(client.id = %client.key.client_id, reason = end.label(), "a connection ended");
        if let Some(code) = end.code() {
            wire::disconnect(&mut self.out, client.version, code);
            farewell(&mut self.reader, &mut self.writer, &self.out).await;
        }
        door.tally.closed(end.label());
    }

    async fn pay_the_rest(&mut self) {
        while self.acks.waiting() > 0 && self.pay().is_ok() {
            if self.acks.waiting() > 0 && self.durable.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn stopping(over: &mut watch::Receiver<Over>) {
    // An error means that the door itself is gone.
    drop(over.wait_for(|over| over.stopping).await);
}

/// Decides on a message: `true` when it is to be journalled.
fn take(
    door: &Door,
    client: &mut Client,
    acks: &mut Acks,
    out: &mut Vec<u8>,
    publish: &Publish<'_>,
) -> Result<bool, End> {
    let &Publish { id, qos, dup, .. } = publish;
    if !client.rights.may_publish(publish.topic) {
        door.tally.refused("foreign_topic");
        tracing::debug!(client.id = %client.key.client_id, topic = publish.topic, "not a topic of this client");
        if client.version == Version::V4 {
            return Err(End::Foreign);
        }
        if qos > 0 {
            acks.refuse(qos, id, 0x87);
        }
        return Ok(false);
    }
    if client.too_large > 0 {
        client.too_large = 0;
        door.sessions.taken(&client.key);
    }
    if qos == 0 {
        return Ok(true);
    }
    let taken = acks.take(qos, id, dup);
    if taken == Taken::New {
        let full = acks.held() > usize::from(door.settings.receive_maximum);
        return if full { Err(End::Quota) } else { Ok(true) };
    }
    door.tally.repeated();
    if taken == Taken::Again {
        wire::ack(out, Ack::PubRec, id, 0);
    }
    Ok(false)
}

/// Answers everything that is not a message.
fn answer(
    door: &Door,
    client: &Client,
    acks: &mut Acks,
    out: &mut Vec<u8>,
    packet: Packet<'_>,
) -> Result<(), End> {
    match packet {
        Packet::Ping => wire::pingresp(out),
        Packet::Ack(Ack::PubRel, id) => {
            let known = acks.forget(id);
            let code = if known || client.version == Version::V4 { 0 } else { 0x92 };
            wire::ack(out, Ack::PubComp, id, code);
        }
        Packet::Subscribe(filters) => commands::subscribe(door, client, filters, out),
        Packet::Unsubscribe(filters) => commands::unsubscribe(door, client, filters, out),
        Packet::Disconnect(leave) => return Err(End::Left(leave)),
        // Nothing was sent that these could belong to; a message never comes here.
        Packet::Ack(Ack::PubAck | Ack::PubRec | Ack::PubComp, _) | Packet::Publish(_) => {}
    }
    Ok(())
}

/// Begins a message that is too large to keep; also how long its header is. `None`: more bytes are needed.
fn begin_large(
    door: &Door,
    client: &Client,
    header: wire::Header,
    rest: &[u8],
) -> Result<Option<(oversize::Reading, usize)>, End> {
    if !header.is_publish() || header.body > door.settings.max_taken {
        return Err(Bad::TooLarge.into());
    }
    let body = rest.get(header.head..).unwrap_or_default();
    let body = body.get(..header.body).unwrap_or(body);
    match wire::publish(client.version, header.first, body) {
        Ok(publish) => {
            let head = body.len() - publish.payload.len();
            let reading = oversize::Reading::begin(&publish, header.body - head);
            Ok(Some((reading, header.head + head)))
        }
        Err(Bad::Short) if body.len() < door.settings.max_kept => Ok(None),
        Err(bad) => Err(bad.into()),
    }
}

fn envelope<'a>(publish: &Publish<'a>, connection: u32, mut flags: Flags) -> Entry<'a> {
    if publish.dup {
        flags = flags.with(Flags::DUP);
    }
    // A retained reading is as fresh here as any other: it comes from the device itself.
    if publish.retain && is_status(publish.topic) {
        flags = flags.with(Flags::RETAINED);
    }
    let (address, body) = (publish.topic, publish.payload);
    Entry { kind: Kind::Envelope, flags, source: SOURCE, connection, address, body }
}
