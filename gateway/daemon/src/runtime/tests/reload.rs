//! Files of profiles that change while the gateway runs.

use std::sync::Arc;

use orderly_core::record::ConfigKind;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::catalog::Catalog;
use crate::config::{Credentials, Span};
use crate::runtime::polls::Polls;
use crate::runtime::reload::{Reloader, Troubles};
use crate::runtime::texts::{Force, Look, gather};

/// A site whose folder of profiles is followed.
struct Followed {
    site: Site,
    core: Core,
    catalog: Arc<Catalog>,
    troubles: Arc<Troubles>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Followed {
    async fn start() -> Self {
        let mut site = Site::new();
        let profiles = site.dir.path().join("profiles");
        std::fs::create_dir(&profiles).unwrap();
        std::fs::write(profiles.join("probe.toml"), OWN).unwrap();
        site.settings.profiles.dir = Some(profiles);
        site.settings.profiles.watch = Span::ms(10);
        let (core, ..) = site.start(&[]).await;
        let found = Look::at(&site.settings);
        let catalog = Arc::new(Catalog::new(gather(&site.settings).unwrap().all_profiles()));
        let troubles = Arc::new(Troubles::default());
        let stop = CancellationToken::new();
        let (polls, _) =
            Polls::start(&site.settings, &Credentials::default(), &core, &[], false, &stop).await.unwrap();
        let reloader = Reloader {
            settings: site.settings.clone(),
            catalog: Arc::clone(&catalog),
            force: Force::of(&core),
            state: StateFile(site.data()),
            troubles: Arc::clone(&troubles),
            polls,
        };
        let task = tokio::spawn(reloader.follow(found, stop.clone()));
        Self { site, core, catalog, troubles, stop, task }
    }

    /// Puts a file in its place at once, as editors and deployments do.
    fn write(&self, name: &str, text: &str) {
        let profiles = self.site.dir.path().join("profiles");
        std::fs::write(profiles.join("new"), text).unwrap();
        std::fs::rename(profiles.join("new"), profiles.join(name)).unwrap();
    }

    /// Waits until a profile is in force whose text holds this.
    async fn until(&self, holds: &str) {
        let mut follow = self.catalog.follow();
        let some = |holds: &str| {
            let holds = holds.to_owned();
            move |now: &Arc<crate::catalog::InForce>| now.profiles.iter().any(|p| p.text().contains(&holds))
        };
        follow.wait_for(some(holds)).await.unwrap();
    }

    async fn probe(&self, temp: i32) {
        let body = format!("{{\"temp\":{temp}}}");
        let entry = Entry {
            kind: Kind::Envelope,
            flags: Flags::ANONYMOUS,
            source: "listener",
            connection: 1,
            address: "orderly/v1/main/probe/p-1/up/reading",
            body: body.as_bytes(),
        };
        append_durably(&*self.core.intake, &[entry]).await.unwrap();
        self.core.caught_up().await.unwrap();
    }

    async fn end(self) -> Site {
        self.stop.cancel();
        self.task.await.unwrap();
        stop(self.core).await;
        self.site
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_one_record_and_readings_follow_it() {
    let followed = Followed::start().await;
    followed.probe(7).await;
    let before = followed.core.journal.durable().seq;
    followed.write("probe.toml", &OWN.replace("[-40, 60]", "[-40, 6]"));
    followed.until("[-40, 6]").await;
    assert_eq!(followed.core.journal.durable().seq, before + 1, "one engine input");
    followed.probe(7).await;
    followed.write("other.toml", &OWN.replace("\"probe\"", "\"other\""));
    followed.until("id = \"other\"").await;
    let site = followed.end().await;
    let readings = decided(&site.data()).readings;
    let quality: Vec<_> = readings.iter().map(|reading| reading.values[0].quality).collect();
    use orderly_core::value::Quality::{Bad, Good};
    assert_eq!(quality, [Good, Bad]);
    assert_ne!(readings[0].profile, readings[1].profile, "each says which version read it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_is_told_and_what_was_in_force_reads_on() {
    let followed = Followed::start().await;
    let mut told = followed.troubles.follow();
    followed.write("probe.toml", &OWN.replace("[-40, 60]", "[60, -40]"));
    followed.write("other.toml", &OWN.replace("\"probe\"", "\"other\""));
    followed.until("id = \"other\"").await;
    let wrong = told.wait_for(|wrong| !wrong.is_empty()).await.unwrap().clone();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("probe.toml:17:") && wrong[0].contains("metric[0].range"), "{wrong:?}");
    followed.probe(7).await;
    followed.write("probe.toml", OWN);
    told.wait_for(Vec::is_empty).await.unwrap();
    let site = followed.end().await;
    assert_eq!(decided(&site.data()).readings.len(), 1);
    let texts = StateReader::open(&site.data()).unwrap().texts().unwrap();
    let probe = texts.iter().find(|row| row.what == ConfigKind::Profile("probe".parse().unwrap())).unwrap();
    assert_eq!(probe.text.as_deref(), Some(OWN));
}
