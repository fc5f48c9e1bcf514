//! Nothing grows for ever: alerts that are over, and notices of which nobody is to be told.

use orderly_core::output::Notice;
use orderly_store::state::StateStore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::delivery::Delivery as _;
use crate::notify::OutboxFile;
use crate::pipeline::StateCommand;
use crate::runtime::delivered::CommitterDelivery;
use crate::runtime::outlets::give_up;

const DAY: u64 = 86_400_000;

/// Lets the committer have a quiet moment.
async fn idle(core: &Core) {
    core.committer.send(StateCommand::Beat).await.unwrap();
    // It takes commands in order: once this one is done, so is the moment.
    let nothing = DeliveryChange::NoticeDelivered { id: "none".to_owned() };
    CommitterDelivery(core.committer.clone()).deliver(nothing).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_goes_when_its_time_has_come_and_what_is_not_stays() {
    let site = Site::new();
    let rules = site.settings.rules.dir.clone().unwrap().join("test.toml");
    // What is not urgent closes by itself.
    std::fs::write(rules, RULE.replace("P2", "P3")).unwrap();
    let (core, clock, _) = site.start(&[]).await;
    for (minute, sys) in [(0, 170), (1, 120), (2, 170)] {
        clock.0.store(u64::from(minute) * 60_000, Ordering::Relaxed);
        send(&core, "bp-1", sys, minute).await;
        core.caught_up().await.unwrap();
    }
    let state = StateReader::open(&site.data()).unwrap();
    let left = || {
        let status = state.status().unwrap();
        let alerts = state.alerts(&AlertFilter::default()).unwrap().len();
        (alerts, state.all_transitions().unwrap().len(), status.notices_waiting, status.notices_dead)
    };
    assert_eq!(left(), (2, 3, 3, 0), "one is over, one fires");
    idle(&core).await;
    assert_eq!(left(), (2, 3, 3, 0));

    clock.0.store(2 * DAY, Ordering::Relaxed);
    let (outbox, delivery) =
        (Arc::new(OutboxFile::new(&core.dir)), CommitterDelivery(core.committer.clone()));
    let untold = give_up(&outbox, &delivery, clock.now().wall, &CancellationToken::new()).await;
    assert_eq!((untold, left()), (Ok(3), (2, 3, 0, 3)));

    clock.0.store(9 * DAY, Ordering::Relaxed);
    idle(&core).await;
    assert_eq!(left(), (2, 3, 0, 0), "notices are kept for a week");
    clock.0.store(1_100 * DAY, Ordering::Relaxed);
    idle(&core).await;
    assert_eq!(left(), (1, 1, 0, 0), "alerts for three years, and one that fires for as long as it does");
    stop(core).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_that_nobody_empties_is_given_up_however_long_it_is() {
    let site = Site::new();
    std::fs::create_dir_all(site.data()).unwrap();
    let (mut store, _) = StateStore::open(&site.data()).unwrap();
    let notice = |n: u32, decided_at: i64| Notice {
        id: format!("{n}").into(),
        decided_at: Timestamp(decided_at),
        body: "{}".to_owned(),
    };
    let mut notices: Vec<Notice> = (0..450).map(|n| notice(n, START)).collect();
    notices.extend((450..460).map(|n| notice(n, START + 86_400_000)));
    store.commit(&Output { first: 1, cursor: 1, notices, ..Output::default() }).unwrap();
    drop(store);
    let (core, clock, _) = site.start(&[]).await;
    clock.0.store(DAY + 1, Ordering::Relaxed);
    let (outbox, delivery) =
        (Arc::new(OutboxFile::new(&core.dir)), CommitterDelivery(core.committer.clone()));
    let untold = give_up(&outbox, &delivery, clock.now().wall, &CancellationToken::new()).await;
    assert_eq!(untold, Ok(450));
    let status = StateReader::open(&site.data()).unwrap().status().unwrap();
    assert_eq!((status.notices_waiting, status.notices_dead), (10, 450), "the others are younger than a day");
    stop(core).await;
}
