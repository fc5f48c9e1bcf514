//! The ways out: one task for each sink, entered into the state store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use orderly_core::ids::SiteId;
use orderly_core::time::{Clock, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::delivered::CommitterDelivery;
use super::doors::Ending;
use crate::config::{Credentials, Settings};
use crate::delivery::Delivery;
use crate::notify::webhook::{self, NotifyStatus, WebhookConfig};
use crate::notify::{Outbox, OutboxFile};
use crate::observe::metrics;
use crate::pipeline::{Decided, DeliveryChange, StateFile};
use crate::sinks::influx::{self, InfluxConfig};
use crate::sinks::{AtHand, Batch, SinkState, SinkStatus, Stores};

/// How often the outbox is looked at when nobody is to be told.
const LOOK: Duration = Duration::from_secs(3_600);
/// Notices given up together.
const TOGETHER: usize = 200;
/// How long notices wait for somebody to be told.
const WAIT_MS: i64 = 86_400_000;

/// Name under which a sink's cursor is kept.
fn consumer(sink: &str) -> String {
    format!("sink:{sink}")
}

/// The running sinks.
#[derive(Debug, Default)]
pub struct Outlets {
    /// How each is.
    pub status: Vec<watch::Receiver<SinkStatus>>,
    /// How the notifier is; `None`: nobody is to be told.
    pub notices: Option<watch::Receiver<NotifyStatus>>,
    tasks: Vec<Ending>,
}

impl Outlets {
    /// Enters new sinks into the state store, removes those that are no longer configured, and starts all.
    ///
    /// # Errors
    /// When the state store cannot be read or written.
    pub async fn start(
        settings: &Settings,
        credentials: &Credentials,
        core: &Core,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let delivery = CommitterDelivery(core.committer.clone());
        enter(settings, core, &delivery).await?;
        let mut outlets = Self::default();
        for (name, sink) in &settings.sinks {
            let (tell, told) =
                watch::channel(SinkStatus { name: name.as_str().into(), ..SinkStatus::default() });
            let deps = influx::Deps {
                source: Arc::new(Stores::new(&core.dir, at_hand(core))),
                delivery: Arc::new(delivery.clone()),
                clock: Arc::clone(&core.clock),
                head: core.committed.clone(),
                status: tell,
                site: SiteId::new(&settings.site)?,
                credentials: credentials.clone(),
            };
            let config = InfluxConfig::from_settings(name, sink);
            let (name, stop, told_too) = (name.clone(), stop.clone(), deps.status.clone());
            let task = tokio::spawn(async move {
                if let Err(error) = influx::run(config, deps, stop).await {
                    tracing::error!(sink = name, %error, "the sink cannot be used");
                    told_too.send_modify(|s| {
                        (s.state, s.last_error) = (SinkState::Holding, Some(error.to_string()));
                    });
                }
            });
            outlets.tasks.push(("sink", task));
            outlets.status.push(told);
        }
        outlets.notify(settings, credentials, core, stop);
        Ok(outlets)
    }

    fn notify(
        &mut self,
        settings: &Settings,
        credentials: &Credentials,
        core: &Core,
        stop: &CancellationToken,
    ) {
        if settings.notify.is_empty() {
            let (outbox, delivery) = (OutboxFile::new(&core.dir), CommitterDelivery(core.committer.clone()));
            let clock = Arc::clone(&core.clock);
            self.tasks.push(("outbox", tokio::spawn(nobody_to_tell(outbox, delivery, clock, stop.clone()))));
            return;
        }
        let configs: Vec<WebhookConfig> =
            settings.notify.iter().map(|(name, notify)| WebhookConfig::from_settings(name, notify)).collect();
        let (tell, told) = watch::channel(NotifyStatus::default());
        let deps = webhook::Deps {
            outbox: Arc::new(OutboxFile::new(&core.dir)),
            delivery: Arc::new(CommitterDelivery(core.committer.clone())),
            clock: Arc::clone(&core.clock),
            head: core.committed.clone(),
            status: tell,
            credentials: credentials.clone(),
        };
        let stop = stop.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = webhook::run(&configs, deps, stop).await {
                tracing::error!(%error, "notices cannot be sent");
            }
        });
        self.tasks.push(("webhooks", task));
        self.notices = Some(told);
    }

    /// The tasks that end with the ways out.
    #[must_use]
    pub fn ending(self) -> Vec<Ending> {
        self.tasks
    }
}

/// Committed batches that a sink that keeps up need not read from the state store.
fn at_hand(core: &Core) -> AtHand {
    let (recent, committed) = (Arc::clone(&core.recent), core.committed.clone());
    let sink = recent.follow();
    Box::new(move |after| {
        let committed = *committed.borrow();
        let (found, through) = recent.follow_up(sink, after, committed)?;
        let batch = |d: Decided| Batch { first: d.first, last: d.cursor, readings: d.readings };
        Some((found.into_iter().map(batch).collect(), through))
    })
}

async fn enter(settings: &Settings, core: &Core, delivery: &CommitterDelivery) -> anyhow::Result<()> {
    let known = StateFile(core.dir.clone()).reader().map_err(|e| anyhow!(e))?.cursors()?.consumers;
    let known: BTreeSet<String> = known.into_iter().map(|(name, _)| name).collect();
    let wanted: BTreeSet<String> = settings.sinks.keys().map(|name| consumer(name)).collect();
    for gone in known.iter().filter(|name| name.starts_with("sink:") && !wanted.contains(*name)) {
        tracing::warn!(consumer = %gone, "is no longer configured; its cursor is forgotten");
        let change = DeliveryChange::ConsumerRemoved { consumer: gone.clone() };
        delivery.deliver(change).await.map_err(|e| anyhow!(e))?;
    }
    let cursor = *core.committed.borrow();
    for new in wanted.difference(&known) {
        // What was decided before the sink existed is a hole: it is filled from the local history.
        let change = match cursor {
            0 => DeliveryChange::ConsumerAdded { consumer: new.clone(), seq: 0 },
            to => DeliveryChange::HoleOpened { consumer: new.clone(), from: 1, to },
        };
        delivery.deliver(change).await.map_err(|e| anyhow!(e))?;
    }
    Ok(())
}

/// Without a way to tell people notices wait for a day, in case one is set up; then they are given up and counted, so
/// that the outbox does not grow for ever.
async fn nobody_to_tell(
    outbox: OutboxFile,
    delivery: CommitterDelivery,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let outbox = Arc::new(outbox);
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match give_up(&outbox, &delivery, clock.now().wall, &stop).await {
            Ok(0) => {}
            Ok(untold) => tracing::warn!(untold, "notices were given up: no way to tell people is set up"),
            Err(error) => tracing::warn!(%error, "the outbox cannot be emptied; the next try is in an hour"),
        }
    }
}

/// Gives up every notice that has waited for a day; how many there were.
pub(super) async fn give_up(
    outbox: &Arc<OutboxFile>,
    delivery: &CommitterDelivery,
    now: Timestamp,
    stop: &CancellationToken,
) -> Result<usize, String> {
    let mut untold = 0;
    while !stop.is_cancelled() {
        let asked = Arc::clone(outbox);
        let due = tokio::task::spawn_blocking(move || asked.due(now, TOGETHER)).await;
        let due = due.map_err(|error| error.to_string())??;
        let looked_at = due.len();
        let old = due.into_iter().filter(|notice| now.since(notice.decided_at) > WAIT_MS);
        // All together: the committer writes what waits for it in one transaction.
        let given_up: Vec<_> = old
            .map(|notice| {
                let error = "no way to tell people is set up".to_owned();
                delivery.deliver(DeliveryChange::NoticeDead { id: notice.id, error })
            })
            .collect();
        let some = given_up.len();
        for result in futures_util::future::join_all(given_up).await {
            result?;
        }
        metrics::notices_untold(some);
        untold += some;
        // They come oldest first: the rest is younger than a day.
        if some < looked_at || looked_at < TOGETHER {
            break;
        }
    }
    Ok(untold)
}
