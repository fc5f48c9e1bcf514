//! Keys under power cuts, faults and open permissions; bodies that open only where they were sealed.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use orderly_core::refusal;
use proptest::prelude::*;

use super::*;
use crate::disk::RealDisk;
use crate::disk::sim::{Fault, SimDisk};

const DIR: &str = "/data/keys";
const DAY: Day = Day(20_779);
const HERE: About<'_> = About { source: "hook:omh", address: "hooks/omh/bp-1" };

/// Different bytes with each call.
fn draw() -> Draw {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    Box::new(|bytes| {
        let n = DRAWN.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::hash(&n.to_le_bytes());
        bytes.iter_mut().zip(hash.as_bytes()).for_each(|(byte, drawn)| *byte = *drawn);
        Ok(())
    })
}

fn ring(disk: &SimDisk) -> KeyRing {
    KeyRing::open(Arc::new(disk.clone()), Path::new(DIR), draw()).unwrap()
}

#[test]
fn a_body_opens_with_its_key_at_its_place_and_nowhere_else() {
    let disk = SimDisk::new();
    let keys = ring(&disk);
    let text = "张三 110101199003072316".as_bytes();
    let sealed = keys.seal(DAY, HERE, text).unwrap();
    assert_eq!(sealed.len(), text.len() + OVERHEAD);
    assert!(!sealed.windows(4).any(|part| text.windows(4).any(|own| own == part)));
    assert_ne!(keys.seal(DAY, HERE, text).unwrap(), sealed, "equal bodies look different");

    let again = ring(&disk);
    assert_eq!((again.days(), again.open_body(HERE, &sealed).unwrap()), (vec![DAY], text.to_vec()));
    for elsewhere in [About { address: "hooks/omh/bp-2", ..HERE }, About { source: "listener", ..HERE }] {
        assert_eq!(again.open_body(elsewhere, &sealed), Err(Unopened::Damaged(DAY)));
    }
    let other = ring(&SimDisk::new());
    other.make(DAY).unwrap();
    assert_eq!(other.open_body(HERE, &sealed), Err(Unopened::Gone(DAY)), "another key of the same day");
    assert_eq!(other.open_body(HERE, b"{}"), Err(Unopened::NotSealed));
    for why in [Unopened::Gone(DAY), Unopened::Damaged(DAY), Unopened::NotSealed] {
        assert!(
            refusal::read(&why.to_string()).is_some_and(|said| said.code.starts_with("sealed_")),
            "{why}"
        );
    }
}

#[test]
fn a_destroyed_key_is_gone_and_the_others_stay() {
    let disk = SimDisk::new();
    let keys = ring(&disk);
    let sealed: Vec<_> = (0..4).map(|n| keys.seal(DAY.plus(n), HERE, b"{}").unwrap()).collect();
    assert_eq!(keys.destroy_before(DAY.plus(2)).unwrap(), [DAY, DAY.plus(1)]);
    for keys in [keys, ring(&disk)] {
        assert_eq!(keys.days(), [DAY.plus(2), DAY.plus(3)]);
        assert_eq!(keys.open_body(HERE, &sealed[1]), Err(Unopened::Gone(DAY.plus(1))));
        assert_eq!(keys.open_body(HERE, &sealed[2]).unwrap(), b"{}");
        assert!(keys.destroy_before(DAY).unwrap().is_empty());
    }
    // The clock went back: a new key of that day is another one.
    let later = ring(&disk);
    later.make(DAY).unwrap();
    assert_eq!(later.open_body(HERE, &sealed[0]), Err(Unopened::Gone(DAY)));
}

#[test]
fn the_power_may_go_at_any_moment() {
    let disk = SimDisk::new();
    let keys = ring(&disk);
    disk.create_dir_all(Path::new("/data")).unwrap();
    let record = disk.create(Path::new("/data/record")).unwrap();
    disk.sync_dir(Path::new("/data")).unwrap();
    let sealed = keys.seal(DAY, HERE, b"who").unwrap();
    record.write_at(&sealed, 0).unwrap();
    record.sync_data().unwrap();
    let durable = disk.log_len();
    keys.destroy_before(DAY.plus(1)).unwrap();
    let destroyed = disk.log_len();
    let mut seen = [0_u32; 2];
    for at in 0..=destroyed {
        for seed in 0..30 {
            let cut = disk.cut(at, seed);
            let keys = ring(&cut);
            let kept = cut.files().into_iter().find(|(path, _)| path.ends_with("record"));
            let kept = kept.map(|(_, bytes)| bytes).filter(|bytes| *bytes == sealed);
            let opened = kept.map(|bytes| keys.open_body(HERE, &bytes));
            if at == durable {
                assert_eq!(opened, Some(Ok(b"who".to_vec())), "what is durable has a durable key");
            }
            if at == destroyed {
                assert_eq!(opened, Some(Err(Unopened::Gone(DAY))), "seed {seed}");
            }
            match opened {
                Some(Ok(text)) => {
                    assert_eq!(text, b"who");
                    seen[0] += 1;
                }
                Some(Err(why)) => {
                    assert!(at > durable && why == Unopened::Gone(DAY), "{at} {seed}: {why}");
                    seen[1] += 1;
                }
                None => assert!(at < durable, "{at} {seed}"),
            }
            keys.make(DAY).unwrap();
            assert!(ring(&cut.settled()).open_body(HERE, &keys.seal(DAY, HERE, b"x").unwrap()).is_ok());
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[test]
fn a_disk_that_refuses_leaves_no_key_that_could_be_lost() {
    for nth in 1..=8 {
        let disk = SimDisk::new();
        let keys = ring(&disk);
        disk.fail(Fault { call: None, nth, errno: 28, sticky: false });
        let first = keys.seal(DAY, HERE, b"x");
        disk.mend();
        if first.is_err() {
            assert!(keys.days().is_empty(), "call {nth}");
        }
        let sealed = keys.seal(DAY, HERE, b"y").unwrap();
        assert_eq!(ring(&disk.settled()).open_body(HERE, &sealed).unwrap(), b"y", "call {nth}");
    }
}

#[test]
fn what_others_can_read_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    let open = || KeyRing::open(Arc::new(RealDisk), &folder, draw());
    open().unwrap().make(DAY).unwrap();
    let path = folder.join("2026-11-22.key");
    let mode = |bits| std::fs::set_permissions(&path, PermissionsExt::from_mode(bits)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for bits in [0o640, 0o604, 0o660] {
        mode(bits);
        let why = open().unwrap_err().to_string();
        assert_eq!(
            why,
            format!("others can read the key {0}: type chmod 600 {0} and start again", path.display())
        );
    }
    mode(0o600);
    assert_eq!(open().unwrap().days(), [DAY]);
    std::fs::write(&path, b"short").unwrap();
    std::fs::write(folder.join("2026-11-23.key.new"), b"half").unwrap();
    let keys = open().unwrap();
    assert!(keys.days().is_empty() && !folder.join("2026-11-23.key.new").exists());
    keys.make(DAY).unwrap();
    drop(keys);
    assert_eq!(open().unwrap().days(), [DAY], "a damaged one is replaced");
}

#[test]
fn a_folder_of_keys_belongs_to_one_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    let open = || KeyRing::open(Arc::new(RealDisk), &folder, draw());
    // Both started before it was there; who makes the first key has it.
    let (one, other) = (open().unwrap(), open().unwrap());
    let sealed = one.seal(DAY, HERE, b"who").unwrap();
    for refused in [other.make(DAY).unwrap_err(), open().unwrap_err()] {
        let why = format!("another gateway has the folder of the keys {}:", folder.display());
        assert!(refused.to_string().starts_with(&why), "{refused}");
    }
    assert!(other.days().is_empty());
    // It stops; the other began without its keys, and would replace them.
    drop(one);
    assert!(matches!(other.make(DAY), Err(KeyError::Shared { .. })));
    drop(other);
    assert_eq!(open().unwrap().open_body(HERE, &sealed).unwrap(), b"who");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_changed_bit_never_opens(body in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let keys = ring(&SimDisk::new());
        let mut sealed = keys.seal(DAY, HERE, &body).unwrap();
        prop_assert_eq!(keys.open_body(HERE, &sealed).unwrap(), body);
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(keys.open_body(HERE, &sealed).is_err());
        sealed.truncate(at);
        prop_assert!(keys.open_body(HERE, &sealed).is_err());
    }
}

#[test]
fn a_relative_folder_is_made_with_all_that_hold_it() {
    // Seen from the folder that the tests run in.
    let made = tempfile::tempdir_in(".").unwrap();
    let one = PathBuf::from(made.path().file_name().unwrap());
    for dir in [one.clone(), one.join("of/many")] {
        let keys = KeyRing::open(Arc::new(RealDisk), &dir, draw()).unwrap();
        keys.make(DAY).unwrap();
        assert!(made.path().join(dir.strip_prefix(&one).unwrap()).join("2026-11-22.key").is_file());
    }
    let keys = KeyRing::open(Arc::new(RealDisk), Path::new("a/b/keys"), draw()).unwrap();
    let mut holders = BTreeSet::new();
    keys.holders(&mut holders);
    assert_eq!(holders, [".", "a", "a/b"].map(PathBuf::from).into());
}
