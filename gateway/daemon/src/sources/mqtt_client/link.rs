//! One connection to a broker, from CONNECT to its end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use orderly_core::record::{Entry, Flags, Kind};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Client;
use super::end::End;
use crate::sources::intake::Durable;
use crate::sources::mqtt::acks::{Acks, Taken};
use crate::sources::mqtt::oversize;
use crate::sources::mqtt::socket::{Filled, farewell, fill};
use crate::sources::mqtt::wire::broker::{self, ConnAck, FromBroker, Introduce};
use crate::sources::mqtt::wire::{self, Ack, Bad, Publish, Version};

/// How long after a reconnect an equal payload may be a repeat (DESIGN 7.2).
const REPEATS_MS: u64 = 60_000;
/// Packet id of the one SUBSCRIBE of a connection.
const SUBSCRIBE: u16 = 1;
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
    let mut durable = client.intake.durable();
    // Before the first append: what a failure takes away afterwards must show as another generation.
    let generation = durable.borrow_and_update().generation;
    let now_ms = client.clock.now().steady_ms;
    let repeats_until_ms = if client.had_session { now_ms + REPEATS_MS } else { 0 };
    let mut link = Link {
        crowded: client.intake.crowded(),
        keep_alive_ms: u64::try_from(client.settings.keep_alive.as_millis()).unwrap_or(u64::MAX).max(1),
        client,
        reader,
        writer,
        inbox: Vec::new(),
        at: 0,
        out: Vec::new(),
        acks: Acks::default(),
        large: None,
        durable,
        generation,
        held: false,
        heard_ms: now_ms,
        probed_ms: now_ms,
        repeats_until_ms,
        subscribing: None,
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
    inbox: Vec<u8>,
    /// How much of `inbox` was handled.
    at: usize,
    out: Vec<u8>,
    acks: Acks,
    large: Option<Box<oversize::Reading>>,
    durable: watch::Receiver<Durable>,
    generation: u32,
    crowded: watch::Receiver<bool>,
    /// The last try to read found too much waiting for the disk.
    held: bool,
    heard_ms: u64,
    /// When the broker was last asked whether it is there.
    probed_ms: u64,
    keep_alive_ms: u64,
    repeats_until_ms: u64,
    /// A SUBSCRIBE is under way; whether the session was lost.
    subscribing: Option<bool>,
}

/// Why nothing is read at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    No,
    Window,
    Unsynced,
    Crowded,
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
            let settings = &client.settings;
            let filters = settings.subscribe.iter().map(String::as_str);
            broker::subscribe(&mut self.out, settings.version, SUBSCRIBE, filters, settings.qos);
            self.subscribing = Some(session_lost);
        }
        Ok(())
    }

    async fn exchange(&mut self, hello: &[u8]) -> Result<ConnAck, End> {
        self.writer.write_all(hello).await.map_err(lost)?;
        loop {
            if let Some(header) = wire::header(&self.inbox)? {
                let end = header.head + header.body;
                if header.first != 0x20 || header.body > 4 << 10 {
                    return Err(Bad::Protocol("the first answer is no CONNACK").into());
                }
                if let Some(body) = self.inbox.get(header.head..end) {
                    let read = broker::from_broker(self.client.settings.version, header.first, body)?;
                    let FromBroker::ConnAck(answer) = read else { return Err(Bad::Short.into()) };
                    self.inbox.drain(..end);
                    return Ok(answer);
                }
            }
            if fill(&mut self.reader, &mut self.inbox, || true).await.map_err(lost)? != Filled::Some {
                return Err(closed());
            }
        }
    }

    async fn converse(&mut self, stop: &CancellationToken) -> End {
        let mut watchdog = pin!(sleep(Duration::from_millis(self.keep_alive_ms / 2)));
        let mut answer_due = pin!(sleep(self.client.settings.patience));
        loop {
            if let Err(end) = self.take_in().and_then(|()| self.pay()) {
                return end;
            }
            let hold = self.hold();
            let owes = self.acks.waiting() > 0 || hold == Hold::Unsynced;
            let Self { client, reader, writer, inbox, out, durable, crowded, .. } = self;
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
                filled = fill(reader, inbox, || intake.unsynced_bytes() < max_unsynced), if hold == Hold::No => {
                    match filled {
                        Ok(Filled::Some) => self.heard_ms = client.clock.now().steady_ms,
                        Ok(Filled::Held) => self.held = true,
                        Ok(Filled::End) => return closed(),
                        Err(error) => return lost(error),
                    }
                }
                _ = crowded.changed(), if hold == Hold::Crowded => {}
                () = &mut answer_due, if self.subscribing.is_some() => return End::NoAnswer("SUBSCRIBE"),
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

    fn hold(&mut self) -> Hold {
        let settings = &self.client.settings;
        if self.acks.waiting() >= usize::from(settings.receive_maximum) {
            Hold::Window
        } else if settings.bulk && *self.crowded.borrow_and_update() {
            Hold::Crowded
        } else if std::mem::take(&mut self.held)
            && self.client.intake.unsynced_bytes() >= settings.max_unsynced
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
            self.inbox = Vec::new();
        } else {
            self.inbox.drain(..self.at);
        }
        self.at = 0;
        Ok(())
    }

    /// Appends the messages of all whole packets at once. `true`: a large message began, so there may be more.
    fn take_batch(&mut self) -> Result<bool, End> {
        let (flags, number) = (self.flags(), self.client.number);
        let Self { client, inbox, at, out, acks, large, subscribing, .. } = self;
        let (version, window) = (client.settings.version, usize::from(client.settings.receive_maximum));
        let max_kept = client.settings.max_kept;
        let source = client.settings.source.clone();
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut answers = Vec::new();
        let mut result = Ok(false);
        while acks.waiting() < window {
            let rest = inbox.get(*at..).unwrap_or_default();
            let header = match wire::header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(bad) => {
                    result = Err(bad.into());
                    break;
                }
            };
            if header.body > max_kept {
                result = begin_large(version, header, rest, max_kept).map(|begun| {
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
            match broker::from_broker(version, header.first, body) {
                Ok(FromBroker::Publish(publish)) => {
                    if take(acks, out, &publish) {
                        entries.push(envelope(&source, &publish, number, flags));
                    }
                }
                Ok(FromBroker::Ack(Ack::PubRel, id)) => {
                    // After a reconnect the id may be one of the connection before.
                    acks.forget(id);
                    wire::ack(out, Ack::PubComp, id, 0);
                }
                Ok(FromBroker::SubAck(SUBSCRIBE, codes)) => answers = codes.to_vec(),
                Ok(FromBroker::Disconnect(code)) => {
                    result = Err(End::Told(code));
                    break;
                }
                Ok(FromBroker::ConnAck(_)) => {
                    result = Err(Bad::Protocol("a second CONNACK").into());
                    break;
                }
                // Nothing was sent that the others could belong to.
                Ok(
                    FromBroker::SubAck(..) | FromBroker::UnsubAck(_) | FromBroker::Ack(..) | FromBroker::Pong,
                ) => {}
                Err(bad) => {
                    result = Err(bad.into());
                    break;
                }
            }
        }
        if !entries.is_empty() {
            let appended = client.intake.append(&entries).map_err(|_| End::Journal)?;
            acks.settle(appended.last);
            metrics::counter!("orderly_mqtt_client_messages_total", "source" => source.clone())
                .increment(entries.len() as u64);
        }
        if let Some(session_lost) = subscribing.take_if(|_| !answers.is_empty()) {
            client.granted(&answers, session_lost)?;
        }
        result
    }

    /// Appends the large message that was read through.
    fn take_large(&mut self) -> Result<(), End> {
        let Some(large) = self.large.take() else { return Ok(()) };
        let topic = large.topic.clone();
        let (id, qos, dup) = (large.id, large.qos, large.dup);
        let publish = Publish { topic: &topic, payload: &[], id, qos, dup, retain: false };
        if take(&mut self.acks, &mut self.out, &publish) {
            let Ok((body, oversize)) = large.body() else { return Err(End::Journal) };
            let flags = self.flags().with(oversize);
            let client = &self.client;
            let publish = Publish { payload: &body, ..publish };
            let entry = envelope(&client.settings.source, &publish, client.number, flags);
            let appended = client.intake.append(&[entry]).map_err(|_| End::Journal)?;
            self.acks.settle(appended.last);
        }
        Ok(())
    }

    /// Writes down all acknowledgements that the disk covers.
    fn pay(&mut self) -> Result<(), End> {
        let durable = *self.durable.borrow_and_update();
        if durable.generation != self.generation {
            return Err(End::Journal);
        }
        for owed in self.acks.release(durable.seq) {
            wire::ack(&mut self.out, owed.ack, owed.id, owed.code);
        }
        Ok(())
    }

    fn flags(&self) -> Flags {
        if self.heard_ms < self.repeats_until_ms { Flags::AFTER_RECONNECT } else { Flags::default() }
    }

    /// Leaves in peace when it is we who leave; the session stays with the broker.
    async fn part(mut self, end: &End) {
        if *end == End::Stopping {
            drop(timeout(LAST_ACKS, self.pay_the_rest()).await);
        }
        let told =
            matches!(end, End::Stopping | End::Journal | End::NothingGranted | End::Cleared | End::Bad(_));
        if told {
            broker::goodbye(&mut self.out);
            farewell(&mut self.reader, &mut self.writer, &self.out).await;
        }
    }

    async fn pay_the_rest(&mut self) {
        while self.acks.waiting() > 0 && self.pay().is_ok() {
            if self.acks.waiting() > 0 && self.durable.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Client {
    /// Looks at every code of a SUBACK.
    fn granted(&mut self, codes: &[u8], session_lost: bool) -> Result<(), End> {
        let filters = &self.settings.subscribe;
        let refused: Vec<String> = filters
            .iter()
            .enumerate()
            .filter(|(n, _)| codes.get(*n).is_none_or(|code| *code >= 0x80))
            .map(|(_, filter)| filter.clone())
            .collect();
        for filter in &refused {
            tracing::error!(source = %self.settings.source, filter, "the broker refused a subscription");
            metrics::counter!("orderly_mqtt_client_refused_filters_total",
                "source" => self.settings.source.clone())
            .increment(1);
        }
        if refused.len() == filters.len() {
            return Err(End::NothingGranted);
        }
        for (filter, code) in filters.iter().zip(codes).filter(|(_, code)| **code < self.settings.qos) {
            tracing::warn!(source = %self.settings.source, filter, qos = code, "the broker granted a lower QoS");
        }
        // What was refused is asked for again on the next connection.
        self.subscribed = refused.is_empty();
        self.came_up(session_lost, refused);
        Ok(())
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

/// Begins a message that is too large to keep; also how long its header is. `None`: more bytes are needed.
fn begin_large(
    version: Version,
    header: wire::Header,
    rest: &[u8],
    max_kept: usize,
) -> Result<Option<(oversize::Reading, usize)>, End> {
    if !header.is_publish() {
        return Err(Bad::TooLarge.into());
    }
    let body = rest.get(header.head..).unwrap_or_default();
    let body = body.get(..header.body).unwrap_or(body);
    match wire::publish(version, header.first, body) {
        Ok(publish) => {
            let head = body.len() - publish.payload.len();
            Ok(Some((oversize::Reading::begin(&publish, header.body - head), header.head + head)))
        }
        Err(Bad::Short) if body.len() < max_kept => Ok(None),
        Err(bad) => Err(bad.into()),
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
