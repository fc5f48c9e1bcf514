//! The keys of the days: what came in from a source that says who somebody is lies on disk only under one of them.
//!
//! One file for each day, 32 random bytes that only the owner may read, made whole or not at all and durable before
//! anything is sealed with it. When the file is destroyed, nobody can read what was sealed on that day, wherever
//! copies of it are. A folder of keys belongs to one gateway: another would replace and destroy them. See docs/decisions/0010-privacy.md.

mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use orderly_core::sealed::{Day, HEAD, Head, OVERHEAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::disk::{Disk, Hold};
pub use error::{KeyError, Unopened};

/// Bytes of a key.
const KEY: usize = 32;
const SUFFIX: &str = ".key";
/// A key on its way to its name.
const UNFINISHED: &str = ".key.new";

/// Fills bytes with random ones that nobody can guess.
pub type Draw = Box<dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync>;

/// All keys that there are.
pub struct KeyRing {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    draw: Draw,
    keys: RwLock<BTreeMap<Day, Arc<Key>>>,
    /// Held while a key is made or destroyed.
    changing: Mutex<Folders>,
}

/// What is known of the folders while keys are made.
#[derive(Debug, Default)]
struct Folders {
    /// Those of which a new entry is not durable yet.
    unsynced: BTreeSet<PathBuf>,
    /// The folder of the keys, once it is there.
    held: Option<Hold>,
}

struct Key {
    cipher: LessSafeKey,
    mark: [u8; 4],
}

/// What a body belongs to; it opens only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About<'a> {
    /// The source that took it in.
    pub source: &'a str,
    /// Its topic or address.
    pub address: &'a str,
}

impl KeyRing {
    /// Reads the keys of a folder, which need not be there yet.
    ///
    /// # Errors
    /// When another gateway has the folder, others than the owner can read a key, or the disk refuses. A file that holds
    /// no key counts as none.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, draw: Draw) -> Result<Self, KeyError> {
        let held = hold(&*disk, dir)?;
        let names = match disk.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(KeyError::io("list", dir))?,
        };
        let mut keys = BTreeMap::new();
        for name in names {
            let path = dir.join(&name);
            if name.ends_with(UNFINISHED) {
                disk.remove(&path).map_err(KeyError::io("remove", &path))?;
                continue;
            }
            let Some(day) = name.strip_suffix(SUFFIX).and_then(Day::parse) else { continue };
            let others = disk.open_to_others(&path).map_err(KeyError::io("look at", &path))?;
            if others != 0 {
                return Err(KeyError::Open { path });
            }
            match read(&*disk, &path)? {
                Some(key) => drop(keys.insert(day, Arc::new(key))),
                None => tracing::error!(%day, "the file of a key holds none; what it sealed cannot be read"),
            }
        }
        let keys = RwLock::new(keys);
        let changing = Mutex::new(Folders { held, ..Folders::default() });
        Ok(Self { disk, dir: dir.to_owned(), draw, keys, changing })
    }

    /// Lets another gateway have the folder: this one makes and destroys no more keys.
    pub fn leave(&self) {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner).held = None;
    }

    /// The days of which there is a key.
    #[must_use]
    pub fn days(&self) -> Vec<Day> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Makes the key of a day, if there is none.
    ///
    /// # Errors
    /// When it cannot be made durable; then there is none.
    pub fn make(&self, day: Day) -> Result<(), KeyError> {
        self.of(day).map(drop)
    }

    /// Seals a body with the key of a day, which is made if need be.
    ///
    /// # Errors
    /// When there is no key and none can be made.
    pub fn seal(&self, day: Day, about: About<'_>, body: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = self.of(day)?;
        let mut nonce = [0; 12];
        (self.draw)(&mut nonce).map_err(KeyError::Random)?;
        let head = Head { day, mark: key.mark, nonce }.bytes();
        let mut sealed = Vec::with_capacity(body.len() + OVERHEAD);
        sealed.extend_from_slice(&head);
        sealed.extend_from_slice(body);
        let (nonce, bound) = (Nonce::assume_unique_for_key(nonce), bound(&head, about));
        let tag = key.cipher.seal_in_place_separate_tag(nonce, bound, &mut sealed[HEAD..]);
        sealed.extend_from_slice(tag.map_err(|_| KeyError::Cipher)?.as_ref());
        Ok(sealed)
    }

    /// Opens a sealed body.
    ///
    /// # Errors
    /// When its key is gone, or it is not what was sealed.
    pub fn open_body(&self, about: About<'_>, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let (head, text) = Head::read(sealed).ok_or(Unopened::NotSealed)?;
        let day = head.day;
        let key = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&day).cloned();
        let key = key.filter(|key| key.mark == head.mark).ok_or(Unopened::Gone(day))?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(head.nonce);
        let opened = key.cipher.open_in_place(nonce, bound(&head.bytes(), about), &mut text);
        let length = opened.map_err(|_| Unopened::Damaged(day))?.len();
        text.truncate(length);
        Ok(text)
    }

    /// Destroys the keys of all days before this one; gives those days.
    ///
    /// # Errors
    /// When the disk refuses. What is left is destroyed the next time.
    pub fn destroy_before(&self, first: Day) -> Result<Vec<Day>, KeyError> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old: Vec<Day> = self.days().into_iter().filter(|day| *day < first).collect();
        for day in &old {
            let path = self.path(*day);
            // Overwritten first: a file system may keep the block of a removed name for long.
            let file = self.disk.open_write(&path);
            let wiped = file.and_then(|file| file.write_at(&[0; KEY], 0).and_then(|()| file.sync_data()));
            match wiped {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(KeyError::io("overwrite", &path)(error));
                }
                _ => {}
            }
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(KeyError::io("remove", &path)(error));
                }
                _ => {}
            }
            self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(day);
        }
        if !old.is_empty() {
            self.disk.sync_dir(&self.dir).map_err(KeyError::io("sync the directory", &self.dir))?;
        }
        Ok(old)
    }

    fn path(&self, day: Day) -> PathBuf {
        self.dir.join(format!("{day}{SUFFIX}"))
    }

    fn found(&self, day: Day) -> Option<Arc<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&day).cloned()
    }

    fn of(&self, day: Day) -> Result<Arc<Key>, KeyError> {
        if let Some(key) = self.found(day) {
            return Ok(key);
        }
        let mut folders = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have made it meanwhile.
        if let Some(key) = self.found(day) {
            return Ok(key);
        }
        let mut secret = [0; KEY];
        (self.draw)(&mut secret).map_err(KeyError::Random)?;
        let key = Arc::new(Key::new(&secret)?);
        self.write(day, &secret, &mut folders)?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).insert(day, Arc::clone(&key));
        Ok(key)
    }

    /// Notes the folder that holds this one, and those above it as long as they must be made.
    fn holders(&self, unsynced: &mut BTreeSet<PathBuf>) {
        for folder in self.dir.ancestors() {
            let Some(holder) = folder.parent() else { return };
            // What a relative path begins in.
            let holder = if holder.as_os_str().is_empty() { Path::new(".") } else { holder };
            unsynced.insert(holder.to_owned());
            let listed = self.disk.list(holder);
            if !listed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                return;
            }
        }
    }

    /// Under another name first: a power cut never leaves half a key.
    fn write(&self, day: Day, secret: &[u8; KEY], folders: &mut Folders) -> Result<(), KeyError> {
        let (path, unfinished) = (self.path(day), self.dir.join(format!("{day}{UNFINISHED}")));
        self.holders(&mut folders.unsynced);
        self.disk.create_dir_all(&self.dir).map_err(KeyError::io("make", &self.dir))?;
        for holder in &folders.unsynced {
            self.disk.sync_dir(holder).map_err(KeyError::io("sync the directory", holder))?;
        }
        folders.unsynced.clear();
        if folders.held.is_none() {
            // It was not there at the start: another gateway may have made it since.
            let held = hold(&*self.disk, &self.dir)?;
            let names = self.disk.list(&self.dir).map_err(KeyError::io("list", &self.dir))?;
            if names.iter().any(|name| name.ends_with(SUFFIX)) {
                return Err(KeyError::Shared { dir: self.dir.clone() });
            }
            folders.held = held;
        }
        match self.disk.remove(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(KeyError::io("replace", &unfinished)(error));
            }
            _ => {}
        }
        let file = self.disk.create_private(&unfinished).map_err(KeyError::io("create", &unfinished))?;
        file.write_at(secret, 0).map_err(KeyError::io("write", &unfinished))?;
        file.sync_data().map_err(KeyError::io("sync", &unfinished))?;
        self.disk.rename(&unfinished, &path).map_err(KeyError::io("rename", &unfinished))?;
        self.disk.sync_dir(&self.dir).map_err(KeyError::io("sync the directory", &self.dir))
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("dir", &self.dir).field("days", &self.days()).finish_non_exhaustive()
    }
}

impl Key {
    fn new(secret: &[u8; KEY]) -> Result<Self, KeyError> {
        let cipher = UnboundKey::new(&CHACHA20_POLY1305, secret).map_err(|_| KeyError::Cipher)?;
        let hash = blake3::derive_key("orderly 2026-11 mark of a day key", secret);
        let mark = [hash[0], hash[1], hash[2], hash[3]];
        Ok(Self { cipher: LessSafeKey::new(cipher), mark })
    }
}

/// Keeps other gateways from the folder; `None` while it is not there. Where the file system has no locks it goes without.
fn hold(disk: &dyn Disk, dir: &Path) -> Result<Option<Hold>, KeyError> {
    match disk.hold(dir) {
        Ok(Hold::Taken) => Err(KeyError::Shared { dir: dir.to_owned() }),
        Ok(ours) => Ok(Some(ours)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "the folder of the keys cannot be locked; no other gateway may use it");
            Ok(Some(Hold::Ours(None)))
        }
    }
}

/// `None` when the file holds no key.
fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Key>, KeyError> {
    let mut bytes = [0; KEY + 1];
    let file = disk.open(path).map_err(KeyError::io("open", path))?;
    let got = file.read_at(&mut bytes, 0).map_err(KeyError::io("read", path))?;
    // A key that was overwritten, and whose name came back with a power cut, is none.
    match <&[u8; KEY]>::try_from(&bytes[..got]) {
        Ok(secret) if secret.iter().any(|byte| *byte != 0) => Key::new(secret).map(Some),
        _ => Ok(None),
    }
}

/// What must be the same when it is opened.
fn bound(head: &[u8], about: About<'_>) -> Aad<Vec<u8>> {
    Aad::from([head, about.source.as_bytes(), &[0], about.address.as_bytes()].concat())
}
