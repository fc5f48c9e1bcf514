//! What each commit changed, kept for a while: a board that lost its connection catches up from here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_core::alert::Alert;
use orderly_core::ids::DeviceId;
use orderly_core::task::Task;
use tokio::sync::watch;

/// How many commits are kept.
const MOST_COMMITS: usize = 4_096;
/// How many changes (devices, alerts and tasks) are kept over all commits. In a flood each commit changes a thousand devices:
/// a board that was away for longer then gets everything anew, which is as quick.
const MOST_CHANGES: usize = 50_000;

/// What one commit changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct News {
    /// Number of the commit; each is larger than the one before.
    pub commit: u64,
    /// Devices whose state or latest values changed.
    pub devices: Vec<DeviceId>,
    /// Alerts that changed, whole.
    pub alerts: Vec<Alert>,
    /// Tasks that changed, whole.
    pub tasks: Vec<Task>,
}

/// A bounded ring of what the last commits changed.
#[derive(Debug)]
pub struct Feed {
    ring: Mutex<Ring>,
    head: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    news: VecDeque<News>,
    changes: usize,
    /// Everything after this commit is in the ring.
    base: u64,
    head: u64,
}

/// What changed after some commit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Since {
    /// The ring does not reach back that far.
    Missed {
        /// The last commit.
        head: u64,
    },
    /// These changed; the last state of each alert and task.
    Changed {
        /// The last commit.
        head: u64,
        /// The devices.
        devices: Vec<DeviceId>,
        /// The alerts.
        alerts: Vec<Alert>,
        /// The tasks.
        tasks: Vec<Task>,
    },
}

impl Feed {
    /// An empty ring after `commit`, the last commit of the store.
    #[must_use]
    pub fn new(commit: u64) -> Self {
        let ring = Ring { news: VecDeque::new(), changes: 0, base: commit, head: commit };
        Self { ring: Mutex::new(ring), head: watch::Sender::new(commit) }
    }

    /// Takes in what a commit changed. Call it after the commit, in the order of the commits.
    pub fn publish(&self, news: News) {
        let commit = news.commit;
        self.ring().push(news);
        self.head.send_replace(commit);
    }

    /// Wakes when there is a new commit.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// The last commit.
    pub(crate) fn head(&self) -> u64 {
        self.ring().head
    }

    /// What changed after `commit`.
    pub(crate) fn since(&self, commit: u64) -> Since {
        let ring = self.ring();
        if commit < ring.base || commit > ring.head {
            return Since::Missed { head: ring.head };
        }
        let mut devices = BTreeSet::new();
        let (mut alerts, mut tasks) = (BTreeMap::new(), BTreeMap::new());
        for news in ring.news.iter().filter(|news| news.commit > commit) {
            devices.extend(news.devices.iter().cloned());
            alerts.extend(news.alerts.iter().map(|alert| (Arc::clone(&alert.id), alert.clone())));
            tasks.extend(news.tasks.iter().map(|task| (Arc::clone(&task.id), task.clone())));
        }
        Since::Changed {
            head: ring.head,
            devices: devices.into_iter().collect(),
            alerts: alerts.into_values().collect(),
            tasks: tasks.into_values().collect(),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing here can leave the ring half changed, so a poisoned lock is as good as any.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    fn changes(&self) -> usize {
        self.devices.len() + self.alerts.len() + self.tasks.len()
    }
}

impl Ring {
    fn push(&mut self, news: News) {
        self.head = news.commit;
        self.changes += news.changes();
        self.news.push_back(news);
        while self.news.len() > MOST_COMMITS || self.changes > MOST_CHANGES {
            let Some(oldest) = self.news.pop_front() else { break };
            self.changes -= oldest.changes();
            self.base = oldest.commit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(commit: u64, device: &str) -> News {
        News { commit, devices: vec![DeviceId::new(device).expect("a name")], ..News::default() }
    }

    fn names(since: Since) -> Option<(u64, Vec<String>)> {
        match since {
            Since::Missed { .. } => None,
            Since::Changed { head, devices, .. } => {
                Some((head, devices.iter().map(|d| d.as_str().to_owned()).collect()))
            }
        }
    }

    #[test]
    fn gathers_what_changed_after_a_commit() {
        let feed = Feed::new(10);
        assert_eq!(names(feed.since(10)), Some((10, vec![])));
        feed.publish(news(11, "b"));
        feed.publish(news(12, "a"));
        feed.publish(news(14, "b"));
        assert_eq!(names(feed.since(10)), Some((14, vec!["a".into(), "b".into()])));
        assert_eq!(names(feed.since(12)), Some((14, vec!["b".into()])));
        assert_eq!(names(feed.since(14)), Some((14, vec![])));
        assert_eq!(names(feed.since(9)), None, "before the ring began");
        assert_eq!(names(feed.since(15)), None, "a commit that never was: the store was put back");
    }

    #[test]
    fn forgets_the_oldest_and_says_so() {
        let feed = Feed::new(0);
        let last = MOST_COMMITS as u64 + 5;
        for commit in 1..=last {
            feed.publish(news(commit, "d"));
        }
        assert_eq!(names(feed.since(4)), None);
        assert_eq!(names(feed.since(5)), Some((last, vec!["d".into()])));
        assert_eq!(feed.since(0), Since::Missed { head: last });
    }

    #[test]
    fn one_huge_commit_does_not_grow_the_ring() {
        let feed = Feed::new(0);
        let many = vec![DeviceId::new("d").expect("a name"); MOST_CHANGES + 1];
        feed.publish(News { commit: 1, devices: many, ..News::default() });
        assert_eq!(feed.ring().news.len(), 0);
        assert_eq!(feed.since(0), Since::Missed { head: 1 });
        feed.publish(news(2, "a"));
        assert_eq!(names(feed.since(1)), Some((2, vec!["a".into()])));
    }
}
