//! One connection: reads, appends, and pays acknowledgements as the disk covers them.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use orderly_core::ids::DeviceId;
use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::topic::Topic;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::sleep;

use super::end::End;
use super::hello::hello;
use super::rights::{Rights, is_status};
use super::sessions::Key;
use super::wills::Will;
use super::{Door, Over, commands, outgoing};
use crate::sources::mqtt::acks::{Acks, Taken};
use crate::sources::mqtt::frames::{self, Frames, Large};
use crate::sources::mqtt::oversize;
use crate::sources::mqtt::pace::{self, Hold, Pace};
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
    /// Rung when a command waits.
    pub bell: Arc<Notify>,
    /// The packet id of the command that went out last.
    pub sent: u16,
    /// Dropped when everything was said.
    pub here: Option<oneshot::Sender<()>>,
}

impl Client {
    /// A packet id for the next command. So few are under way that none is used twice at a time.
    pub fn next_id(&mut self) -> u16 {
        self.sent = self.sent.checked_add(1).unwrap_or(1);
        self.sent
    }
}

/// One connection that was let in.
pub struct Connection<R, W> {
    door: Arc<Door>,
    client: Client,
    reader: R,
    writer: W,
    frames: Frames,
    out: Vec<u8>,
    pace: Pace,
    over: watch::Receiver<Over>,
    heard_ms: u64,
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
        let settings = &door.settings;
        let pace = Pace::begin(
            &*door.intake,
            pace::Limits {
                receive_maximum: usize::from(settings.receive_maximum),
                max_unsynced: settings.max_unsynced,
                bulk: settings.bulk,
            },
        );
        let mut over = door.over.subscribe();
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
        let (max_kept, max_taken) = (door.settings.max_kept, door.settings.max_taken);
        let limits = frames::Limits { version: client.version, max_kept, max_taken };
        let (frames, heard_ms) = (Frames::new(inbox, limits), door.now_ms());
        let mut connection = Self { door, client, reader, writer, frames, out, pace, over, heard_ms };
        let end = connection.converse().await;
        connection.part(end).await;
    }

    async fn converse(&mut self) -> End {
        let mut silence = pin!(sleep(Duration::from_millis(self.client.silence_ms)));
        loop {
            if let Err(end) = self.take_in().and_then(|()| self.pay()) {
                return end;
            }
            let hold = self.pace.hold(&*self.door.intake, self.out.len() > MAX_OUT);
            let owes = self.pace.acks.waiting() > 0 || hold == Hold::Unsynced;
            let Self { door, client, reader, writer, frames, out, pace, over, .. } = self;
            let Pace { durable, crowded, held, .. } = pace;
            let max_unsynced = door.settings.max_unsynced;
            tokio::select! {
                biased;
                kick = &mut client.kicked => return kick.map_or(End::Stopping, End::Kicked),
                changed = over.changed() => {
                    let stopping = changed.is_err() || over.borrow().stopping;
                    return if stopping { End::Stopping } else { End::Journal };
                }
                () = client.bell.notified(), if out.len() <= MAX_OUT => outgoing::write(door, client, out),
                changed = durable.changed(), if owes => if changed.is_err() {
                    return End::Stopping;
                },
                written = writer.write(out), if !out.is_empty() => match written {
                    Ok(n) if n > 0 => {
                        out.drain(..n);
                    }
                    Ok(_) | Err(_) => return End::Lost,
                },
                filled = fill(reader, frames.inbox(), || door.intake.unsynced_bytes() < max_unsynced), if hold == Hold::No => {
                    match filled {
                        Ok(Filled::Some) => self.heard_ms = door.now_ms(),
                        Ok(Filled::Held) => *held = true,
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

    /// Handles all whole packets that came, as far as the window allows.
    fn take_in(&mut self) -> Result<(), End> {
        loop {
            match self.frames.large() {
                Large::Partly => break,
                Large::Whole(large) => self.take_large(*large)?,
                Large::No => {}
            }
            self.take_batch()?;
            if !self.frames.is_large() {
                break;
            }
        }
        self.frames.tidy();
        Ok(())
    }

    /// Appends the messages of all whole packets at once.
    fn take_batch(&mut self) -> Result<(), End> {
        let flags = self.flags();
        let Self { door, client, frames, out, pace, .. } = self;
        let mut packets = frames.packets();
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut bytes = 0;
        let mut result = Ok(());
        while result.is_ok() && !pace.is_full() {
            let packet = match packets.take() {
                Ok(Some((first, body))) => wire::packet(client.version, first, body),
                Ok(None) => break,
                Err(bad) => Err(bad),
            };
            result = match packet {
                Ok(Packet::Publish(publish)) => {
                    take(door, client, &mut pace.acks, out, &publish).map(|new| {
                        if new {
                            bytes += publish.payload.len();
                            entries.push(envelope(&publish, client.number, flags));
                        }
                    })
                }
                Ok(packet) => answer(door, client, &mut pace.acks, out, packet),
                Err(bad) => Err(bad.into()),
            };
        }
        if !entries.is_empty() {
            pace.append(&*door.intake, &entries)?;
            door.tally.taken(entries.len(), bytes);
        }
        result
    }

    /// Appends the large message that was read through.
    fn take_large(&mut self, large: oversize::Reading) -> Result<(), End> {
        let topic = large.topic.clone();
        let publish = large.publish(&topic);
        self.door.tally.oversize();
        let flags = self.flags();
        if take(&self.door, &mut self.client, &mut self.pace.acks, &mut self.out, &publish)? {
            let Ok((body, oversize)) = large.body() else { return Err(End::Journal) };
            let entry =
                envelope(&Publish { payload: &body, ..publish }, self.client.number, flags.with(oversize));
            self.pace.append(&*self.door.intake, &[entry])?;
            self.door.tally.taken(1, body.len());
        }
        Ok(())
    }

    /// Writes down all acknowledgements that the disk covers.
    fn pay(&mut self) -> Result<(), End> {
        let paid = self.pace.pay(&mut self.out)?;
        if paid > 0 {
            self.door.tally.acked(paid);
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
            let mut paid = 0;
            let rest = self.pace.pay_the_rest(&mut self.out, &mut paid);
            drop(tokio::time::timeout(LAST_ACKS, rest).await);
            self.door.tally.acked(paid);
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
            // With a login the device is known; without one only the topic tells, if it has come.
            let own = |topic: &&str| client.rights.may_publish(topic);
            let named = self.frames.topic().filter(own).and_then(|topic| Topic::parse(topic).ok());
            let logged_in = (!client.key.device.is_empty()).then_some(client.key.device.as_str());
            let device =
                logged_in.or(named.map(|topic| topic.device)).and_then(|name| DeviceId::new(name).ok());
            let shown = device.as_ref().map_or("?", |device| device.as_str());
            tracing::warn!(client.id = %client.key.client_id, device.id = shown, times,
                "closed for a packet larger than is taken");
            if let Some(device) = &device {
                door.troubles.too_large(device);
            }
        }
        outgoing::left(&door.outcomes, &door.sessions, &client);
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
