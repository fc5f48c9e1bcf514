//! One connection to a broker, from CONNECT to its end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use orderly_core::record::{Entry, Flags, Kind};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Client;
use super::end::End;
use super::filters::Asked;
use crate::sources::mqtt::acks::{Acks, Taken};
use crate::sources::mqtt::frames::{self, Frames, Large};
use crate::sources::mqtt::oversize;
use crate::sources::mqtt::pace::{self, Hold, Pace};
use crate::sources::mqtt::socket::{Filled, farewell, fill};
use crate::sources::mqtt::wire::broker::{self, ConnAck, FromBroker, Introduce};
use crate::sources::mqtt::wire::{self, Ack, Bad, Publish};

/// How long after a reconnect an equal payload may be a repeat (DESIGN 7.2).
const REPEATS_MS: u64 = 60_000;
/// How long acknowledgements may still take when the daemon stops.
const LAST_ACKS: Duration = Duration::from_secs(1);

/// Opens a connection and serves it to its end.
pub(super) async fn connect_and_serve(client: &mut Client, stop: &CancellationToken) -> End {
    let patience = client.settings.patience;
    let opened = async {
        let settings = &client.settings;
        match timeout(patience, settings.address.connect(settings.ca_file.as_deref())).await {
            Ok(Ok(halves)) => Ok(halves),
            Ok(Err(error)) => Err(End::Lost(error.to_string())),
            Err(_) => Err(End::NoAnswer("at all")),
        }
    };
    match or_stop(stop, opened).await {
        Ok((reader, writer)) => serve(client, stop, reader, writer).await,
        Err(end) => end,
    }
}

async fn or_stop<T>(stop: &CancellationToken, work: impl Future<Output = Result<T, End>>) -> Result<T, End> {
    tokio::select! {
        () = stop.cancelled() => Err(End::Stopping),
        done = work => done,
    }
}

async fn serve<R, W>(client: &mut Client, stop: &CancellationToken, reader: R, writer: W) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    client.number += 1;
    let settings = &client.settings;
    let pace = Pace::begin(
        &*client.intake,
        pace::Limits {
            receive_maximum: usize::from(settings.receive_maximum),
            max_unsynced: settings.max_unsynced,
            bulk: settings.bulk,
        },
    );
    // A broker may send what it likes: a message of any size is read through.
    let limits =
        frames::Limits { version: settings.version, max_kept: settings.max_kept, max_taken: usize::MAX };
    let now_ms = client.clock.now().steady_ms;
    let repeats_until_ms = if client.had_session { now_ms + REPEATS_MS } else { 0 };
    let mut link = Link {
        keep_alive_ms: u64::try_from(settings.keep_alive.as_millis()).unwrap_or(u64::MAX).max(1),
        frames: Frames::new(Vec::new(), limits),
        client,
        reader,
        writer,
        out: Vec::new(),
        pace,
        heard_ms: now_ms,
        probed_ms: now_ms,
        repeats_until_ms,
        asked: None,
    };
    let greeted = or_stop(stop, link.greet()).await;
    let end = match greeted {
        Ok(()) => link.converse(stop).await,
        Err(end) => end,
    };
    link.part(&end).await;
    end
}

struct Link<'c, R, W> {
    client: &'c mut Client,
    reader: R,
    writer: W,
    frames: Frames,
    out: Vec<u8>,
    pace: Pace,
    heard_ms: u64,
    /// When the broker was last asked whether it is there.
    probed_ms: u64,
    keep_alive_ms: u64,
    repeats_until_ms: u64,
    /// What the broker was asked for and has not answered yet.
    asked: Option<Asked>,
}

impl<R, W> Link<'_, R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    /// CONNECT and CONNACK; puts a SUBSCRIBE into `out` unless the broker knows all our filters.
    async fn greet(&mut self) -> Result<(), End> {
        let settings = &self.client.settings;
        let seconds = |d: Duration| u32::try_from(d.as_secs()).unwrap_or(u32::MAX);
        let mut hello = Vec::new();
        broker::connect(
            &mut hello,
            &Introduce {
                version: settings.version,
                client_id: &settings.client_id,
                clean: self.client.afresh,
                keep_alive: u16::try_from(seconds(settings.keep_alive)).unwrap_or(u16::MAX),
                session_expiry: seconds(settings.session_expiry),
                receive_maximum: settings.receive_maximum,
                username: settings.username.as_deref(),
                password: settings.password.as_ref().map(|p| p.reveal()),
            },
        );
        let patience = settings.patience;
        let answer =
            timeout(patience, self.exchange(&hello)).await.unwrap_or(Err(End::NoAnswer("CONNECT")))?;
        if answer.code != 0 {
            return Err(End::Refused(answer.code));
        }
        if let Some(seconds) = answer.keep_alive.filter(|s| *s > 0) {
            self.keep_alive_ms = self.keep_alive_ms.min(u64::from(seconds) * 1_000);
        }
        let client = &mut *self.client;
        if std::mem::take(&mut client.afresh) {
            // In 3.1.1 a session that begins clean is not kept either: the next connection makes the one to keep.
            client.had_session = true;
            return Err(End::Cleared);
        }
        let session_lost = !answer.session_present && client.had_session;
        client.had_session = true;
        if answer.session_present && client.subscribed {
            // What the broker refused was asked for again, so nothing is refused here.
            client.came_up(false, Vec::new());
        } else {
            client.subscribed = false;
            let asked = client.ask(&mut self.out, answer.session_present, session_lost).await;
            self.asked = Some(asked);
        }
        Ok(())
    }

    async fn exchange(&mut self, hello: &[u8]) -> Result<ConnAck, End> {
        self.writer.write_all(hello).await.map_err(lost)?;
        loop {
            let inbox = self.frames.inbox();
            if let Some(header) = wire::header(inbox)? {
                let end = header.head + header.body;
                if header.first != 0x20 || header.body > 4 << 10 {
                    return Err(Bad::Protocol("the first answer is no CONNACK").into());
                }
                if let Some(body) = inbox.get(header.head..end) {
                    let read = broker::from_broker(self.client.settings.version, header.first, body)?;
                    let FromBroker::ConnAck(answer) = read else { return Err(Bad::Short.into()) };
                    inbox.drain(..end);
                    return Ok(answer);
                }
            }
            if fill(&mut self.reader, inbox, || true).await.map_err(lost)? != Filled::Some {
                return Err(closed());
            }
        }
    }

    async fn converse(&mut self, stop: &CancellationToken) -> End {
        let mut watchdog = pin!(sleep(Duration::from_millis(self.keep_alive_ms / 2)));
        let mut answer_due = pin!(sleep(self.client.settings.patience));
        loop {
            if let Err(end) = self.take_in().and_then(|()| Ok(self.pace.pay(&mut self.out)?)) {
                return end;
            }
            if let Some(filters) = self.asked.take_if(|asked| asked.is_answered()) {
                self.client.answered(filters).await;
            }
            // What we say is small; a broker that does not take it is found out by its silence.
            let hold = self.pace.hold(&*self.client.intake, false);
            let owes = self.pace.acks.waiting() > 0 || hold == Hold::Unsynced;
            let Self { client, reader, writer, frames, out, pace, asked, .. } = self;
            let Pace { durable, crowded, held, .. } = pace;
            let (intake, max_unsynced) = (&client.intake, client.settings.max_unsynced);
            tokio::select! {
                biased;
                () = stop.cancelled() => return End::Stopping,
                changed = durable.changed(), if owes => if changed.is_err() {
                    return End::Stopping;
                },
                written = writer.write(out), if !out.is_empty() => match written {
                    Ok(n) if n > 0 => {
                        out.drain(..n);
                    }
                    Ok(_) => return closed(),
                    Err(error) => return lost(error),
                },
                filled = fill(reader, frames.inbox(), || intake.unsynced_bytes() < max_unsynced), if hold == Hold::No => {
                    match filled {
                        Ok(Filled::Some) => self.heard_ms = client.clock.now().steady_ms,
                        Ok(Filled::Held) => *held = true,
                        Ok(Filled::End) => return closed(),
                        Err(error) => return lost(error),
                    }
                }
                _ = crowded.changed(), if hold == Hold::Crowded => {}
                () = &mut answer_due, if asked.is_some() => return End::NoAnswer("SUBSCRIBE"),
                () = &mut watchdog => match self.watch(hold) {
                    Ok(next) => watchdog.set(sleep(next)),
                    Err(end) => return end,
                },
            }
        }
    }

    /// Asks the broker twice in each keep-alive whether it is there, and gives it up after one and a half of
    /// silence; how long until the next look. It is asked even while messages come: what we send may be lost.
    fn watch(&mut self, hold: Hold) -> Result<Duration, End> {
        let now_ms = self.client.clock.now().steady_ms;
        let limit_ms = self.keep_alive_ms + self.keep_alive_ms / 2;
        if hold != Hold::No {
            // While we do not listen the silence is ours.
            self.heard_ms = now_ms;
        }
        if now_ms >= self.heard_ms + limit_ms {
            return Err(End::Silent);
        }
        if now_ms >= self.probed_ms + self.keep_alive_ms / 2 {
            broker::pingreq(&mut self.out);
            self.probed_ms = now_ms;
        }
        let next_ms = (self.heard_ms + limit_ms).min(self.probed_ms + self.keep_alive_ms / 2);
        Ok(Duration::from_millis(next_ms.saturating_sub(now_ms).max(1)))
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
        let (flags, number) = (self.flags(), self.client.number);
        let Self { client, frames, out, pace, asked, .. } = self;
        let (version, source) = (client.settings.version, client.settings.source.clone());
        let mut packets = frames.packets();
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut codes = None;
        let mut result = Ok(());
        while result.is_ok() && !pace.is_full() {
            let packet = match packets.take() {
                Ok(Some((first, body))) => broker::from_broker(version, first, body),
                Ok(None) => break,
                Err(bad) => Err(bad),
            };
            match packet {
                Ok(FromBroker::Publish(publish)) => {
                    if take(&mut pace.acks, out, &publish) {
                        entries.push(envelope(&source, &publish, number, flags));
                    }
                }
                Ok(FromBroker::Ack(Ack::PubRel, id)) => {
                    // After a reconnect the id may be one of the connection before.
                    pace.acks.forget(id);
                    wire::ack(out, Ack::PubComp, id, 0);
                }
                Ok(FromBroker::SubAck(id, answer)) => {
                    if asked.as_mut().is_some_and(|asked| asked.subscribed(id)) {
                        codes = Some(answer);
                    }
                }
                Ok(FromBroker::UnsubAck(id)) => asked.iter_mut().for_each(|asked| asked.unsubscribed(id)),
                Ok(FromBroker::Disconnect(code)) => result = Err(End::Told(code)),
                Ok(FromBroker::ConnAck(_)) => result = Err(Bad::Protocol("a second CONNACK").into()),
                // Nothing was sent that the others could belong to.
                Ok(FromBroker::Ack(..) | FromBroker::Pong) => {}
                Err(bad) => result = Err(bad.into()),
            }
        }
        if !entries.is_empty() {
            pace.append(&*client.intake, &entries)?;
            metrics::counter!("orderly_mqtt_client_messages_total", "source" => source.clone())
                .increment(entries.len() as u64);
        }
        if let (Some(codes), Some(asked)) = (codes, asked) {
            client.granted(codes, asked.session_lost)?;
        }
        result
    }

    /// Appends the large message that was read through.
    fn take_large(&mut self, large: oversize::Reading) -> Result<(), End> {
        let topic = large.topic.clone();
        let publish = large.publish(&topic);
        if take(&mut self.pace.acks, &mut self.out, &publish) {
            let Ok((body, oversize)) = large.body() else { return Err(End::Journal) };
            let flags = self.flags().with(oversize);
            let client = &self.client;
            let publish = Publish { payload: &body, ..publish };
            let entry = envelope(&client.settings.source, &publish, client.number, flags);
            self.pace.append(&*client.intake, &[entry])?;
        }
        Ok(())
    }

    fn flags(&self) -> Flags {
        if self.heard_ms < self.repeats_until_ms { Flags::AFTER_RECONNECT } else { Flags::default() }
    }

    /// Leaves in peace when it is we who leave; the session stays with the broker.
    async fn part(mut self, end: &End) {
        if *end == End::Stopping {
            drop(timeout(LAST_ACKS, self.pace.pay_the_rest(&mut self.out, &mut 0)).await);
        }
        let told =
            matches!(end, End::Stopping | End::Journal | End::NothingGranted | End::Cleared | End::Bad(_));
        if told {
            broker::goodbye(&mut self.out);
            farewell(&mut self.reader, &mut self.writer, &self.out).await;
        }
    }
}

fn lost(error: std::io::Error) -> End {
    End::Lost(error.to_string())
}

fn closed() -> End {
    End::Lost("the broker closed it".to_owned())
}

/// Decides on a message: `true` when it is to be journalled.
fn take(acks: &mut Acks, out: &mut Vec<u8>, publish: &Publish<'_>) -> bool {
    if publish.qos == 0 {
        return true;
    }
    match acks.take(publish.qos, publish.id, publish.dup) {
        Taken::New => true,
        Taken::Waits => false,
        Taken::Again => {
            wire::ack(out, Ack::PubRec, publish.id, 0);
            false
        }
    }
}

fn envelope<'a>(source: &'a str, publish: &Publish<'a>, connection: u32, mut flags: Flags) -> Entry<'a> {
    if publish.dup {
        flags = flags.with(Flags::DUP);
    }
    // Kept by the broker, of unknown age.
    if publish.retain {
        flags = flags.with(Flags::RETAINED);
    }
    Entry { kind: Kind::Envelope, flags, source, connection, address: publish.topic, body: publish.payload }
}
