//! The folder of the registry: its tables are compared with what is committed whenever one of them changes.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use orderly_core::ids::ActorId;
use orderly_core::record::{Action, Order};
use orderly_core::registry::{File, Report, plan};
use orderly_core::time::Clock;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::orders::OrderDesk;
use super::reload::Troubles;
use super::texts::files_in;
use crate::book::Book;

/// The actor of what the folder says.
const FOLDER: &str = "registry-folder";
/// So many refused lines are told one by one.
const TOLD: usize = 100;

/// A file, its length and the two times that a write moves.
type Look = Vec<(PathBuf, Option<(u64, u64, (i64, i64), (i64, i64))>)>;

/// Follows the folder of the registry.
pub struct Follower {
    /// The folder.
    pub folder: PathBuf,
    /// How often it is looked at.
    pub every: Duration,
    /// What is committed.
    pub book: Arc<Book>,
    /// Where orders go.
    pub orders: OrderDesk,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// What is wrong with the files.
    pub troubles: Arc<Troubles>,
}

impl Follower {
    /// Follows the folder until told to stop.
    pub async fn follow(self, stop: CancellationToken) {
        tokio::select! {
            () = self.look() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn look(&self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut applied, mut last) = (None, None);
        loop {
            ticks.tick().await;
            let folder = self.folder.clone();
            let Ok(look) = tokio::task::spawn_blocking(move || look_at(&folder)).await else { return };
            // Somebody may still be writing: it is read when it has stood still from one look to the next.
            let still = last.is_none() || last.as_ref() == Some(&look);
            last = Some(look.clone());
            if applied.as_ref() == Some(&look) || !still {
                continue;
            }
            match self.enter().await {
                Ok(report) => {
                    applied = Some(look);
                    self.tell(&report);
                }
                Err(error) => tracing::warn!(%error, "the registry's folder could not be entered yet"),
            }
        }
    }

    /// Brings what the files say into the registry.
    async fn enter(&self) -> anyhow::Result<Report> {
        let (folder, registry) = (self.folder.clone(), self.book.now());
        let planned = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            let mut files = Vec::new();
            for (path, _) in look_at(&folder) {
                let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
                files.push((name, std::fs::read(&path)?));
            }
            let files: Vec<File<'_>> = files.iter().map(|(name, bytes)| File { name, bytes }).collect();
            Ok(plan(&registry, &files, true))
        });
        let (orders, mut report) = planned.await??.orders();
        for changes in orders {
            let action = Action {
                actor: ActorId::new(FOLDER)?,
                happened_at: self.clock.now().wall,
                idempotency_key: uuid::Uuid::now_v7().to_string(),
                order: Order::ChangeRegistry { changes },
            };
            let said = self.orders.submit(&action).await?.result.map_err(|why| anyhow!(why))?;
            report.add(serde_json::from_str(&said)?);
        }
        Ok(report)
    }

    fn tell(&self, report: &Report) {
        let Report { created, changed, removed, unchanged, .. } = report;
        let mut troubles: Vec<String> = report.refused.iter().take(TOLD).map(ToString::to_string).collect();
        if let Some(more) = report.refused.len().checked_sub(TOLD).filter(|more| *more > 0) {
            troubles.push(format!("and {more} lines more"));
        }
        let known = self.troubles.list();
        for why in troubles.iter().filter(|why| !known.contains(why)) {
            tracing::warn!(%why, "a line of the registry's folder did not go in");
        }
        self.troubles.replace(troubles);
        tracing::info!(
            created,
            changed,
            removed,
            unchanged,
            refused = report.refused.len(),
            "the registry's folder"
        );
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn look_at(folder: &std::path::Path) -> Look {
    let mut files = Vec::new();
    if let Err(error) = files_in(folder, &["csv", "toml"], &mut files) {
        tracing::warn!(%error, folder = %folder.display(), "the registry's folder cannot be read");
    }
    files.sort();
    let seen = |path: PathBuf| {
        let of = std::fs::metadata(&path).ok();
        let of =
            of.map(|of| (of.ino(), of.len(), (of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())));
        (path, of)
    };
    files.into_iter().map(seen).collect()
}
