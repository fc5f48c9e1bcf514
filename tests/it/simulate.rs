//! The simulated hospital over a real door and a real Modbus link: its ledger says what the journal holds.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use orderly::simulate::{Options, Simulation, Summary};
use orderly_tests::door::OpenDoor;
use orderly_tests::memory_intake::{Disk, Kept, TokioClock};
use serde_json::Value as Json;
use tokio::task::JoinHandle;
use tokio_modbus::ExceptionCode;
use tokio_modbus::client::{Context, Reader, Writer, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_util::sync::CancellationToken;

async fn start(options: Options) -> (Option<SocketAddr>, JoinHandle<Summary>, CancellationToken) {
    let stop = CancellationToken::new();
    let simulation = Simulation::open(options, Arc::new(TokioClock::new()), stop.clone()).await.unwrap();
    let modbus = simulation.modbus();
    (modbus, tokio::spawn(async move { simulation.run().await.unwrap() }), stop)
}

fn lines(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Topic and payload of every record.
fn kept(records: &[Kept]) -> BTreeSet<(String, String)> {
    let body = |record: &Kept| serde_json::from_slice::<Json>(&record.body).unwrap().to_string();
    records.iter().map(|record| (record.address.clone(), body(record))).collect()
}

#[tokio::test]
async fn the_ledger_says_what_the_journal_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let door = OpenDoor::open(Disk::Fast).await.unwrap();
    let options = Options {
        scale: 0.5,
        pace: 60.0,
        mqtt: Some(door.address.to_string()),
        ledger: Some(path.clone()),
        ..Options::default()
    };
    let (_, run, stop) = start(options).await;
    door.journal.wait_for(150).await;
    // A failed disk closes the connections; what was not acknowledged is sent again.
    door.journal.fail();
    door.journal.wait_for(300).await;
    stop.cancel();
    let summary = run.await.unwrap();
    assert_eq!(summary.dropped, 0);
    assert!(summary.acked >= 250 && summary.acked <= summary.sent, "{summary:?}");

    let stored = kept(&door.journal.records());
    let ledger = lines(&path);
    let messages = ledger.iter().filter(|line| line["topic"].is_string());
    let acked = messages.filter(|line| !line["acked_at"].is_null());
    let mut n = 0;
    for line in acked {
        let key = (line["topic"].as_str().unwrap().to_owned(), line["payload"].to_string());
        assert!(stored.contains(&key), "acknowledged but not kept: {line}");
        assert!(line["sent_at"].as_i64() <= line["acked_at"].as_i64(), "{line}");
        n += 1;
    }
    assert_eq!(n, summary.acked);
}

#[tokio::test]
async fn registers_are_read_over_tcp_and_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let options = Options {
        scale: 0.05,
        modbus: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ledger: Some(path.clone()),
        ..Options::default()
    };
    let (modbus, run, stop) = start(options).await;
    let mut link: Context = tcp::connect(modbus.unwrap()).await.unwrap();
    link.set_slave(Slave(1));
    let input = link.read_input_registers(0, 2).await.unwrap().unwrap();
    assert!((25..80).contains(&input[0]), "a fridge between 2.5 and 8 degrees: {input:?}");
    assert_eq!(link.read_discrete_inputs(0, 4).await.unwrap().unwrap().len(), 4);
    assert_eq!(link.read_holding_registers(0, 1).await.unwrap(), Ok(vec![50]));
    assert_eq!(link.read_input_registers(1, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(link.write_single_register(0, 7).await.unwrap(), Err(ExceptionCode::IllegalFunction));
    link.set_slave(Slave(200));
    assert_eq!(link.read_input_registers(0, 1).await.unwrap(), Err(ExceptionCode::GatewayTargetDevice));
    stop.cancel();
    let summary = run.await.unwrap();
    let changes = lines(&path).iter().filter(|line| line["unit"].is_number()).count();
    assert_eq!(summary.registers, changes as u64);
}
