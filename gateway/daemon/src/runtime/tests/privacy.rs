//! What says who somebody is: sealed from the moment on at which a profile says so, and gone with its key.

use orderly_core::profile::Profile;
use orderly_core::sealed::Day;
use orderly_store::disk::RealDisk;
use orderly_store::journal;

use super::*;
use crate::runtime::keys::Keeper;

const DAY: u64 = 86_400_000;

fn probe(privacy: &str) -> String {
    OWN.replace("[[test]]", &format!("{privacy}\n[[test]]"))
}

impl Site {
    /// With the profile of the probe.
    fn with_probe(text: &str) -> Self {
        let mut site = Self::new();
        let profiles = site.dir.path().join("profiles");
        std::fs::create_dir(&profiles).unwrap();
        std::fs::write(profiles.join("probe.toml"), text).unwrap();
        site.settings.profiles.dir = Some(profiles);
        site
    }

    /// Which of the probe's messages in the journal are sealed, in order.
    fn sealed(&self) -> Vec<bool> {
        let mut sealed = Vec::new();
        journal::dump(&RealDisk, &self.data().join("journal"), 0, u64::MAX, |record| {
            if record.entry.kind == Kind::Envelope {
                let open = record.entry.body.starts_with(b"{");
                assert_eq!(open, !record.entry.flags.has(Flags::SEALED));
                sealed.push(!open);
            }
        })
        .unwrap();
        sealed
    }
}

async fn say(core: &Core, temp: u32) {
    let body = format!(r#"{{"temp":{temp},"who":"张三"}}"#);
    let entry = Entry {
        kind: Kind::Envelope,
        flags: Flags::ANONYMOUS,
        source: "listener",
        connection: 1,
        address: "orderly/v1/main/probe/p-1/up/reading",
        body: body.as_bytes(),
    };
    append_durably(&*core.intake, &[entry]).await.unwrap();
    core.caught_up().await.unwrap();
}

fn keeper(core: &Core) -> Arc<Keeper> {
    Arc::new(Keeper {
        keys: Arc::clone(&core.keys),
        clock: Arc::clone(&core.clock),
        journal: core.journal.clone(),
        committed: core.committed.clone(),
        keep: 30,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_a_day_ends_when_its_time_has_come_and_tomorrows_is_made_ahead() {
    let site = Site::with_probe(&probe("[privacy]\nfields = [\"$.who\"]"));
    let (core, clock, _) = site.start(&[]).await;
    let first = Day::of(clock.now().wall);
    assert_eq!(core.keys.days(), [first], "it is there before the first message");
    say(&core, 20).await;
    keeper(&core).tend().await;
    assert_eq!(core.keys.days(), [first, first.plus(1)]);
    for days in [1, 29, 30] {
        clock.0.store(days * DAY, Ordering::Relaxed);
        say(&core, 21).await;
        keeper(&core).tend().await;
        assert!(core.keys.days().contains(&first), "{days}");
    }
    clock.0.store(31 * DAY, Ordering::Relaxed);
    keeper(&core).tend().await;
    assert_eq!(core.keys.days()[0], first.plus(1));
    stop(core).await;
    assert_eq!(decided(&site.data()).readings.len(), 4, "readings say of nobody who it is, and stay");
    assert_eq!(site.sealed(), [true; 4], "what they came from is there, and the first says nothing any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_ends_before_what_it_sealed_is_handled() {
    let site = Site::with_probe(&probe("[privacy]\nfields = [\"$.who\"]"));
    let (core, clock, _) = site.start(&[]).await;
    say(&core, 20).await;
    let (first, durable) = (Day::of(clock.now().wall), core.journal.durable().seq);
    // As if the engine had not come to the last record yet.
    let (tell, committed) = tokio::sync::watch::channel(durable - 1);
    let later = Arc::new(Hand(AtomicU64::new(40 * DAY)));
    let keys = Arc::clone(&core.keys);
    let waiting =
        Keeper { clock: later, committed, keys: Arc::clone(&keys), journal: core.journal.clone(), keep: 30 };
    let mut task = tokio::spawn(Arc::new(waiting).tend());
    tokio::select! {
        biased;
        _ = &mut task => panic!("it did not wait"),
        () = tokio::task::yield_now() => {}
    }
    assert!(keys.days().contains(&first));
    tell.send_replace(durable);
    task.await.unwrap();
    assert!(!keys.days().contains(&first));
    stop(core).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_that_begins_to_name_identity_seals_from_its_reload_on() {
    let site = Site::with_probe(OWN);
    let (core, ..) = site.start(&[]).await;
    say(&core, 20).await;
    let text = probe("[privacy]\nfields = [\"$.who\"]");
    let profiles = [Arc::new(Profile::parse(&text, "probe").unwrap())];
    let change = orderly_core::record::ConfigText {
        what: orderly_core::record::ConfigKind::Profile("probe".parse().unwrap()),
        text: Some(text),
    };
    texts::Force::of(&core).bring(vec![change], &profiles).await.unwrap();
    say(&core, 21).await;
    // It is taken away again: what comes then lies open, what was sealed is still read.
    texts::Force::of(&core).in_force(&[Arc::new(Profile::parse(OWN, "probe").unwrap())]);
    say(&core, 22).await;
    stop(core).await;
    assert_eq!(site.sealed(), [false, true, false]);
    assert_eq!(decided(&site.data()).readings.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_in_which_no_key_can_be_made_stops_the_start() {
    let mut site = Site::with_probe(&probe("[privacy]\nfields = [\"$.who\"]"));
    // Not even root makes folders there.
    site.settings.privacy.keys = Some("/proc/orderly-keys".into());
    let why = match site.try_start(&[]).await {
        Ok(_) => panic!("it started"),
        Err(why) => format!("{why:#}"),
    };
    assert!(why.contains("the key of today") && why.contains("cannot make /proc/orderly-keys"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cloud_pushes_is_sealed_before_a_profile_fits() {
    let mut site = Site::with_probe(&probe(""));
    let pushed = Entry {
        kind: Kind::Envelope,
        flags: Flags::default(),
        source: "hook:omh",
        connection: 0,
        address: "hooks/omh/steps/none",
        body: br#"{"user":"who"}"#,
    };
    for hooks in [false, true] {
        if hooks {
            site.settings.http.hooks.insert("omh".to_owned(), crate::config::HookSettings::default());
        }
        let (core, _, _) = site.start(&[]).await;
        append_durably(&*core.intake, &[pushed]).await.unwrap();
        core.caught_up().await.unwrap();
        stop(core).await;
    }
    assert_eq!(site.sealed(), [false, true]);
}
