//! Who is connected under which name, and what is kept of those who left: their filters, and that they were here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orderly_core::ids::DeviceId;
use tokio::sync::{Notify, oneshot};

use super::outgoing::{Waiting, is_of, matches};
use crate::sources::outgoing::ToDevice;

/// Most filters that are kept of one client.
pub const MAX_FILTERS: usize = 8;

/// Why a connection is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kick {
    /// The same client connected again.
    TakenOver,
    /// Its right to be here ended.
    Revoked,
}

/// Whose session it is. The login is part of it, so that no device can take over another's session by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The device, or empty for an anonymous client.
    pub device: String,
    /// The client's own name for the connection.
    pub client_id: String,
}

/// All sessions of one door.
#[derive(Debug)]
pub struct Sessions {
    inner: Mutex<HashMap<Key, Session>>,
    limit: usize,
}

#[derive(Debug)]
struct Session {
    /// Number of its latest connection.
    connection: u32,
    online: Option<Online>,
    /// Each with the quality of service that was granted.
    filters: Vec<(String, u8)>,
    /// When the client left, on the steady clock.
    left_ms: u64,
    /// For how long the session outlives the connection.
    expiry_ms: u64,
    /// Times in a row that the connection was closed for a packet too large to take.
    too_large: u32,
}

#[derive(Debug)]
struct Online {
    kick: oneshot::Sender<Kick>,
    /// Closes when the connection has said its last word.
    gone: oneshot::Receiver<()>,
    waiting: Waiting,
}

/// A connection's place in its session.
#[derive(Debug)]
pub struct Entered {
    /// The client had a session that was kept.
    pub session_present: bool,
    /// The client was here before.
    pub seen_before: bool,
    /// How often in a row it was closed for a packet too large to take.
    pub too_large: u32,
    /// Tells when the connection must end.
    pub kicked: oneshot::Receiver<Kick>,
    /// Rung when a command waits for the connection.
    pub bell: Arc<Notify>,
    /// Dropped when the connection has said its last word.
    pub here: oneshot::Sender<()>,
    /// The connection that was there before, now told to end; closes when it has.
    pub before: Option<oneshot::Receiver<()>>,
}

impl Sessions {
    /// Room for this many clients, connected or remembered.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { inner: Mutex::new(HashMap::new()), limit }
    }

    /// Enters a connection and tells an earlier one of the same client to end; `None`: no room.
    pub fn enter(&self, key: &Key, connection: u32, clean: bool, now_ms: u64) -> Option<Entered> {
        let mut inner = self.lock();
        if inner.len() >= self.limit && !inner.contains_key(key) {
            inner.retain(|_, session| session.online.is_some() || session.is_kept(now_ms));
            if inner.len() >= self.limit {
                return None;
            }
        }
        let (kick, kicked) = oneshot::channel();
        let (here, gone) = oneshot::channel();
        let waiting = Waiting::default();
        let bell = Arc::clone(&waiting.bell);
        let online = Some(Online { kick, gone, waiting });
        let mut entered = Entered {
            session_present: false,
            seen_before: false,
            too_large: 0,
            kicked,
            bell,
            here,
            before: None,
        };
        if let Some(session) = inner.get_mut(key) {
            entered.seen_before = true;
            entered.too_large = session.too_large;
            entered.session_present = !clean && session.is_kept(now_ms);
            entered.before = std::mem::replace(&mut session.online, online).map(|old| {
                // It may have ended on its own in this moment; then there is nobody to tell.
                old.kick.send(Kick::TakenOver).ok();
                old.gone
            });
            if !entered.session_present {
                session.filters.clear();
            }
            session.connection = connection;
            session.expiry_ms = 0;
        } else {
            let filters = Vec::new();
            let session = Session { connection, online, filters, left_ms: 0, expiry_ms: 0, too_large: 0 };
            inner.insert(key.clone(), session);
        }
        Some(entered)
    }

    /// Sets for how long the session outlives its connection.
    pub fn set_expiry(&self, key: &Key, connection: u32, expiry_ms: u64) {
        if let Some(session) = self.lock().get_mut(key).filter(|s| s.connection == connection) {
            session.expiry_ms = expiry_ms;
        }
    }

    /// The connection ended. Whether it was still the client's latest.
    pub fn leave(&self, key: &Key, connection: u32, now_ms: u64) -> bool {
        let mut inner = self.lock();
        let Some(session) = inner.get_mut(key).filter(|s| s.connection == connection) else { return false };
        session.online = None;
        session.left_ms = now_ms;
        if session.expiry_ms == 0 {
            session.filters = Vec::new();
        }
        true
    }

    /// Keeps a filter; whether there was room.
    pub fn subscribe(&self, key: &Key, connection: u32, filter: &str, qos: u8) -> bool {
        let mut inner = self.lock();
        let Some(session) = inner.get_mut(key).filter(|s| s.connection == connection) else { return false };
        if let Some((_, granted)) = session.filters.iter_mut().find(|(known, _)| known == filter) {
            *granted = qos;
            return true;
        }
        let room = session.filters.len() < MAX_FILTERS;
        if room {
            session.filters.push((filter.to_owned(), qos));
        }
        room
    }

    /// Drops a filter; whether it was there.
    pub fn unsubscribe(&self, key: &Key, connection: u32, filter: &str) -> bool {
        let mut inner = self.lock();
        let Some(session) = inner.get_mut(key).filter(|s| s.connection == connection) else { return false };
        let before = session.filters.len();
        session.filters.retain(|(known, _)| known != filter);
        session.filters.len() < before
    }

    /// Counts a close for a packet too large to take; how many there were in a row.
    pub fn too_large(&self, key: &Key) -> u32 {
        self.lock().get_mut(key).map_or(0, |session| {
            session.too_large = session.too_large.saturating_add(1);
            session.too_large
        })
    }

    /// A message was taken: the row of closes is over.
    pub fn taken(&self, key: &Key) {
        if let Some(session) = self.lock().get_mut(key) {
            session.too_large = 0;
        }
    }

    /// Gives a command to the latest connection of a device that listens to its topic.
    ///
    /// # Errors
    /// When there is none, or too much waits for it.
    pub fn give(&self, device: &DeviceId, topic: &str, command: Arc<ToDevice>) -> Result<(), &'static str> {
        let mut inner = self.lock();
        let listens = |session: &Session| {
            session.filters.iter().find(|(filter, _)| matches(filter, topic)).map(|(_, qos)| *qos)
        };
        let own =
            inner.iter_mut().filter(|(key, session)| session.online.is_some() && is_of(&key.device, device));
        let found = own.filter_map(|(_, session)| Some((listens(session)?, session)));
        let (qos, session) = found
            .max_by_key(|(_, session)| session.connection)
            .ok_or("it is not connected, or does not listen")?;
        let given = session.online.as_mut().is_some_and(|online| online.waiting.put(command, qos));
        if given { Ok(()) } else { Err("too much waits for its connection") }
    }

    /// What waits for a connection, taken out.
    pub fn taken_out(&self, key: &Key, connection: u32) -> VecDeque<(Arc<ToDevice>, u8)> {
        let mut inner = self.lock();
        let session = inner.get_mut(key).filter(|s| s.connection == connection);
        session
            .and_then(|session| session.online.as_mut())
            .map(|online| online.waiting.take())
            .unwrap_or_default()
    }

    /// Whether the client came back since this connection.
    #[must_use]
    pub fn is_back(&self, key: &Key, connection: u32) -> bool {
        self.lock().get(key).is_some_and(|s| s.connection != connection)
    }

    /// Ends the connections of all clients of which `gone` is true, and forgets their sessions.
    pub fn revoke(&self, gone: impl Fn(&Key) -> bool) {
        let mut inner = self.lock();
        let keys: Vec<Key> = inner.keys().filter(|key| gone(key)).cloned().collect();
        for online in keys.iter().filter_map(|key| inner.remove(key)).filter_map(|session| session.online) {
            online.kick.send(Kick::Revoked).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        // Nothing in here panics half way; a poisoned map is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_kept(&self, now_ms: u64) -> bool {
        // An online session is asked about only by its own successor, which inherits what the client asked for.
        let age_ms = if self.online.is_some() { 0 } else { now_ms.saturating_sub(self.left_ms) };
        self.expiry_ms > 0 && age_ms < self.expiry_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client_id: &str) -> Key {
        Key { device: "bp-1".to_owned(), client_id: client_id.to_owned() }
    }

    #[test]
    fn tells_the_truth_about_the_session() {
        let sessions = Sessions::new(10);
        let first = sessions.enter(&key("a"), 1, false, 0).unwrap();
        assert!(!first.session_present && !first.seen_before);
        sessions.set_expiry(&key("a"), 1, 1_000);
        assert!(sessions.subscribe(&key("a"), 1, "x/cmd/#", 1));
        assert!(sessions.leave(&key("a"), 1, 500));
        assert!(sessions.enter(&key("a"), 2, false, 1_499).unwrap().session_present);
        sessions.set_expiry(&key("a"), 2, 1_000);
        assert!(sessions.leave(&key("a"), 2, 2_000));
        let late = sessions.enter(&key("a"), 3, false, 3_000).unwrap();
        assert!(!late.session_present && late.seen_before);
        assert!(!sessions.unsubscribe(&key("a"), 3, "x/cmd/#"), "an expired session keeps no filter");
    }

    #[test]
    fn a_second_connection_ends_the_first() {
        let sessions = Sessions::new(10);
        let mut first = sessions.enter(&key("a"), 1, true, 0).unwrap();
        let mut second = sessions.enter(&key("a"), 2, true, 0).unwrap();
        assert_eq!(first.kicked.try_recv(), Ok(Kick::TakenOver));
        let mut before = second.before.take().unwrap();
        assert!(before.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        drop(first.here);
        assert!(before.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed));
        assert!(!sessions.leave(&key("a"), 1, 0), "the loser does not sign the winner off");
        assert!(second.kicked.try_recv().is_err());
        sessions.revoke(|k| k.device == "bp-1");
        assert_eq!(second.kicked.try_recv(), Ok(Kick::Revoked));
    }

    #[test]
    fn is_bounded() {
        let sessions = Sessions::new(1);
        let _held = sessions.enter(&key("a"), 1, true, 0).unwrap();
        assert!(sessions.enter(&key("b"), 2, true, 0).is_none());
        sessions.leave(&key("a"), 1, 0);
        assert!(sessions.enter(&key("b"), 3, true, 0).is_some());
        for n in 0..MAX_FILTERS {
            assert!(sessions.subscribe(&key("b"), 3, &n.to_string(), 1));
        }
        assert!(!sessions.subscribe(&key("b"), 3, "more", 1));
    }
}
