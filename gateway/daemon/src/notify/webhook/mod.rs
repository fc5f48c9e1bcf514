//! Webhooks: a notice is posted as JSON with its id as Idempotency-Key until every receiver has taken it, or it is
//! too old; then it is a dead letter that a person can see.

mod channel;
mod config;
mod sign;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use orderly_core::record::Seq;
use orderly_core::time::{Clock, Now};
use orderly_store::state::{DeliveryChange, DueNotice};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::channel::{Channel, Failed};
pub use self::config::WebhookConfig;
pub use self::sign::sign;
use super::Outbox;
use crate::config::Credentials;
use crate::delivery::Delivery;
use crate::outbound::OutboundError;
use crate::retry::Backoff;

/// Notices under way at the same time.
const MOST_AT_ONCE: usize = 16;
/// How long a wait lasts at most.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What the notifier is given by the runtime.
pub struct Deps {
    /// Where notices wait.
    pub outbox: Arc<dyn Outbox>,
    /// The way to the state store.
    pub delivery: Arc<dyn Delivery>,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// The last record that was committed: there may be a new notice.
    pub head: watch::Receiver<Seq>,
    /// Where the notifier says how it is.
    pub status: watch::Sender<NotifyStatus>,
    /// Where secrets are looked for.
    pub credentials: Credentials,
}

/// How the notifier is, for the status page.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct NotifyStatus {
    /// Notices that every receiver took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Notices that were given up.
    pub dead: u64,
    /// Receivers that are taken for dead at present.
    pub down: Vec<String>,
    /// What went wrong last, if anything did.
    pub last_error: Option<String>,
}

/// Runs the notifier until it is told to stop. A notice counts as delivered when all webhooks have taken it.
///
/// # Errors
/// When the settings cannot be used: address, secrets, certificates.
pub async fn run(
    configs: &[WebhookConfig],
    deps: Deps,
    stop: CancellationToken,
) -> Result<(), OutboundError> {
    let open = |config| Channel::new(config, &deps.credentials);
    let channels = configs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let least = configs.iter().map(|c| c.retry_least.0).min().unwrap_or(LONGEST_WAIT);
    let most = configs.iter().map(|c| c.retry_most.0).max().unwrap_or(LONGEST_WAIT);
    let Deps { outbox, delivery, clock, head, status, credentials: _ } = deps;
    let seed = clock.now().wall.0.unsigned_abs();
    let notifier = Notifier {
        channels: channels.into(),
        outbox,
        delivery,
        clock,
        status,
        taken: HashMap::new(),
        busy: HashSet::new(),
        least,
        most,
        seed,
    };
    tokio::select! {
        () = notifier.run(head) => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

/// What came of one round over the receivers.
type Tried = (DueNotice, Vec<(usize, Result<(), Failed>)>);
type Rounds = FuturesUnordered<BoxFuture<'static, Tried>>;

struct Notifier {
    channels: Arc<[Channel]>,
    outbox: Arc<dyn Outbox>,
    delivery: Arc<dyn Delivery>,
    clock: Arc<dyn Clock>,
    status: watch::Sender<NotifyStatus>,
    /// Receivers that have taken a notice which others have not. The outbox knows them too, unless it could not
    /// be told.
    taken: HashMap<String, HashSet<usize>>,
    /// Notices under way.
    busy: HashSet<String>,
    least: Duration,
    most: Duration,
    seed: u64,
}

impl Notifier {
    async fn run(mut self, mut head: watch::Receiver<Seq>) {
        let mut rounds: Rounds = FuturesUnordered::new();
        loop {
            head.borrow_and_update();
            let now = self.clock.now();
            let wait = self.begin(now, rounds.len()).await;
            let wait = match wait {
                Ok((due, wait)) => {
                    for notice in due {
                        self.busy.insert(notice.id.clone());
                        rounds.push(self.round(notice));
                    }
                    wait
                }
                Err(why) => {
                    self.status.send_modify(|s| s.last_error = Some(why));
                    self.least.max(Duration::from_millis(500))
                }
            };
            tokio::select! {
                Some((notice, tried)) = rounds.next(), if !rounds.is_empty() => self.settle(notice, tried).await,
                changed = head.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Which notices to begin with now, and how long to wait for the next.
    async fn begin(&self, now: Now, under_way: usize) -> Result<(Vec<DueNotice>, Duration), String> {
        // With every receiver shut, nothing is tried until the first of them may be tried again.
        let shut: Vec<u64> = self.channels.iter().filter_map(|c| c.closed_until(now)).collect();
        if shut.len() == self.channels.len() {
            let open = shut.into_iter().min().unwrap_or(now.steady_ms);
            let wait = Duration::from_millis(open.saturating_sub(now.steady_ms).max(1));
            return Ok((Vec::new(), if self.channels.is_empty() { LONGEST_WAIT } else { wait }));
        }
        let most = if self.channels.iter().any(Channel::is_doubted) { 1 } else { MOST_AT_ONCE };
        let room = most.saturating_sub(under_way);
        if room == 0 {
            return Ok((Vec::new(), LONGEST_WAIT));
        }
        let outbox = Arc::clone(&self.outbox);
        let limit = MOST_AT_ONCE + self.busy.len();
        let asked = tokio::task::spawn_blocking(move || Ok((outbox.due(now.wall, limit)?, outbox.next()?)));
        let (mut due, next) =
            asked.await.map_err(|e| e.to_string()).and_then(|answer: Result<_, String>| answer)?;
        due.retain(|notice| !self.busy.contains(&notice.id));
        due.truncate(room);
        let ahead = next.map_or(LONGEST_WAIT, |at| {
            Duration::from_millis(u64::try_from(at.since(now.wall)).unwrap_or(0)).min(LONGEST_WAIT)
        });
        // What is due but under way wakes us when it ends.
        let wait = if ahead.is_zero() { LONGEST_WAIT } else { ahead };
        Ok((due, wait))
    }

    /// One attempt at every receiver that has not taken the notice and may be tried.
    fn round(&self, notice: DueNotice) -> BoxFuture<'static, Tried> {
        let channels = Arc::clone(&self.channels);
        let clock = Arc::clone(&self.clock);
        let delivery = Arc::clone(&self.delivery);
        let taken = self.taken(&notice);
        Box::pin(async move {
            let now = clock.now();
            let open = channels.iter().enumerate();
            let open = open.filter(|(n, c)| !taken.contains(n) && c.closed_until(now).is_none());
            let (sent, clock, delivery) = (&notice, &clock, &delivery);
            let several = channels.len() > 1;
            let posts = open.map(|(n, channel)| async move {
                let result = channel.post(sent, clock.now()).await;
                if result.is_ok() && several {
                    // Put on record at once: another receiver may take long, and this one is not told twice
                    // when the gateway ends meanwhile. If this cannot be stored, it may be.
                    let (id, receiver) = (sent.id.clone(), channel.name.clone());
                    drop(delivery.deliver(DeliveryChange::NoticeTaken { id, receiver }).await);
                }
                (n, result)
            });
            let tried = futures_util::future::join_all(posts).await;
            (notice, tried)
        })
    }

    /// The receivers that have it.
    fn taken(&self, notice: &DueNotice) -> HashSet<usize> {
        let mut taken = self.taken.get(&notice.id).cloned().unwrap_or_default();
        let stored =
            self.channels.iter().enumerate().filter(|(_, channel)| notice.taken.contains(&channel.name));
        taken.extend(stored.map(|(n, _)| n));
        taken
    }

    /// Puts on record what came of it. When that cannot be stored the notice stays due: it is sent again.
    async fn settle(&mut self, notice: DueNotice, tried: Vec<(usize, Result<(), Failed>)>) {
        let now = self.clock.now();
        let id = notice.id.clone();
        let before = self.taken(&notice);
        let taken = self.taken.entry(id.clone()).or_default();
        taken.extend(before);
        let mut pause = Duration::ZERO;
        let mut errors = Vec::new();
        for (n, result) in tried {
            match result {
                Ok(()) => {
                    taken.insert(n);
                }
                Err(failed) => {
                    pause = pause.max(failed.pause.unwrap_or_default());
                    errors.push(format!("{}: {}", self.channels[n].name, failed.why));
                }
            }
        }
        let failed = errors.len() as u64;
        let missing = (0..self.channels.len()).filter(|n| !taken.contains(n));
        let oldest_allowed = missing.map(|n| self.channels[n].max_age).max();
        let age = Duration::from_millis(u64::try_from(now.wall.since(notice.decided_at)).unwrap_or(0));
        let error =
            if errors.is_empty() { "a receiver is taken for dead".to_owned() } else { errors.join("; ") };
        let change = match oldest_allowed {
            None => DeliveryChange::NoticeDelivered { id: id.clone() },
            Some(max_age) if age >= max_age => {
                DeliveryChange::NoticeDead { id: id.clone(), error: error.clone() }
            }
            Some(_) => {
                self.seed = self.seed.wrapping_add(1);
                let wait = Backoff::new(self.least, self.most, self.seed).after(notice.tries).max(pause);
                let next_at = now.wall.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                DeliveryChange::NoticeAttempted { id: id.clone(), next_at, error: error.clone() }
            }
        };
        let over = !matches!(change, DeliveryChange::NoticeAttempted { .. });
        let dead = matches!(change, DeliveryChange::NoticeDead { .. });
        if dead {
            tracing::error!(notice = %id, error, "a notice could not be sent and is given up");
        }
        let stored = self.delivery.deliver(change).await;
        if stored.is_err() {
            // It is still due and would be sent again at once, and again.
            tokio::time::sleep(self.least).await;
        }
        if over && stored.is_ok() {
            self.taken.remove(&id);
        }
        self.busy.remove(&id);
        let down = self.channels.iter().filter(|c| c.is_doubted()).map(|c| c.name.clone()).collect();
        self.status.send_modify(|s| {
            s.failed += failed;
            s.delivered += u64::from(over && !dead && stored.is_ok());
            s.dead += u64::from(dead && stored.is_ok());
            s.down = down;
            if failed > 0 || dead {
                s.last_error = Some(error);
            }
            if let Err(why) = stored {
                s.last_error = Some(why);
            }
        });
    }
}
