//! The way to a broker, against brokers that do everything else than take the command.

use std::sync::Arc;
use std::time::Duration;

use orderly::sources::mqtt_client::{Address, Settings, send_all};
use orderly::sources::outgoing::{Outcomes, ToDevice};
use orderly_core::record::{Found, Kind, Outcome};
use orderly_core::time::Clock;
use orderly_tests::memory_intake::{Disk, Handle, MemoryIntake, TokioClock};
use orderly_tests::mqtt_raw::Raw;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Sending {
    listener: TcpListener,
    orders: mpsc::Sender<ToDevice>,
    intake: Arc<MemoryIntake>,
    clock: Arc<TokioClock>,
    _stop: DropGuard,
}

impl Sending {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = Address::parse(&format!("mqtt://{}", listener.local_addr().unwrap())).unwrap();
        let settings = Settings {
            patience: Duration::from_secs(2),
            ..Settings::new("ward", address, "orderly-main-ward".to_owned(), Vec::new())
        };
        let (intake, clock) = (MemoryIntake::new(Disk::Fast), Arc::new(TokioClock::new()));
        let outcomes =
            Outcomes::new(Arc::new(Handle(Arc::clone(&intake))), Arc::clone(&clock) as Arc<dyn Clock>);
        let (orders, inbox) = mpsc::channel(4);
        let stop = CancellationToken::new();
        tokio::spawn(send_all(settings, outcomes, inbox, stop.clone()));
        Self { listener, orders, intake, clock, _stop: stop.drop_guard() }
    }

    async fn order(&self, id: &str, keep: bool, expires_ms: i64) {
        let order = ToDevice {
            id: id.into(),
            device: "l1".parse().unwrap(),
            topic: format!("orderly/v1/main/lock/l1/cmd/{id}"),
            payload: "{}".to_owned(),
            keep,
            expires_at: self.clock.now().wall.plus_ms(expires_ms),
        };
        self.orders.send(order).await.unwrap();
    }

    /// The next connection, after its CONNECT; answered with this code.
    async fn greet(&self, code: u8) -> (Raw<TcpStream>, u8) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut raw = Raw::new(stream);
        let connect = raw.next().await.unwrap();
        let level = connect[8];
        assert_eq!(connect[9] & 2, 2, "it begins clean");
        let answer: &[u8] = if level == 5 { &[0x20, 3, 0, code, 0] } else { &[0x20, 2, 0, code] };
        raw.send(answer).await.unwrap();
        (raw, level)
    }

    async fn outcome(&self, number: usize) -> (String, Found) {
        self.intake.wait_for(number).await;
        let record = self.intake.records().remove(number - 1);
        assert_eq!(record.kind, Kind::Outcome);
        let outcome: Outcome = rmp_serde::from_slice(&record.body).unwrap();
        (outcome.command, outcome.found)
    }
}

#[tokio::test]
async fn a_broker_of_the_old_version_is_given_nothing_that_it_would_keep() {
    let sending = Sending::start().await;
    sending.order("a1", false, 10_000).await;
    let (_, level) = sending.greet(0x84).await;
    assert_eq!(level, 5);
    let (mut raw, level) = sending.greet(0).await;
    assert_eq!(level, 4);
    let publish = raw.next().await.unwrap();
    assert_eq!(publish[0], 0x30, "QoS 0, not retained");
    assert_eq!(raw.rest().await, [vec![0xE0, 0]], "and it leaves");
    assert!(sending.intake.records().is_empty(), "what became of it only the device can tell");
}

#[tokio::test]
async fn what_the_broker_says_is_told_and_nothing_is_sent_twice() {
    let sending = Sending::start().await;
    // Nobody listens.
    sending.order("a1", false, 10_000).await;
    let (mut raw, _) = sending.greet(0).await;
    let publish = raw.next().await.unwrap();
    assert_eq!(publish[0], 0x32, "QoS 1, not retained");
    assert!(publish.windows(6).any(|w| w == [5, 2, 0, 0, 0, 10]), "with an expiry: {publish:?}");
    raw.send(&[0x40, 3, 0, 1, 0x10]).await.unwrap();
    let (id, found) = sending.outcome(1).await;
    assert!(id == "a1" && matches!(found, Found::NotConnected { .. }), "{found:?}");
    // The connection breaks behind the command: it may have gone through.
    sending.order("a2", false, 10_000).await;
    let (mut raw, _) = sending.greet(0).await;
    raw.next().await.unwrap();
    drop(raw);
    let (id, found) = sending.outcome(2).await;
    assert!(id == "a2" && matches!(found, Found::Unanswered { .. }), "{found:?}");
    // One that is void is not even dialled for.
    sending.order("a3", false, 0).await;
    assert_eq!(sending.outcome(3).await, ("a3".to_owned(), Found::Void));
    // What is only shown may be kept; it comes on the next connection, so nothing was tried again before it.
    sending.order("a4", true, 10_000).await;
    let (mut raw, _) = sending.greet(0).await;
    let publish = raw.next().await.unwrap();
    assert_eq!(publish[0], 0x33, "QoS 1, retained");
    assert!(publish.windows(2).any(|w| w == b"a4"));
    raw.send(&[0x40, 2, 0, 1]).await.unwrap();
    assert_eq!(raw.next().await, Some(vec![0xE0, 0]));
    assert_eq!(sending.intake.records().len(), 3);
}
