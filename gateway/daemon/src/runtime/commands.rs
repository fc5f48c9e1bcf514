//! Commands leave the house: after the commit that says `sent`, once, through the door that reaches the device.
//!
//! Only this run of the daemon sends what it decided itself. What an earlier run decided may have gone out or not;
//! it is waited for, and unknown when its time is over.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use orderly_core::command::{Command, Send};
use orderly_core::output::Output;
use orderly_core::record::Found;
use tokio::sync::{mpsc, watch};

use crate::sources::modbus::Polled;
use crate::sources::mqtt_door::Door;
use crate::sources::outgoing::{Outcomes, ToDevice, ToUnit};

/// The source under which outcomes stand that no door found out.
const SOURCE: &str = "commands";
/// What may wait at one link or broker.
pub const MOST_WAITING: usize = 64;

/// A Modbus link: who is behind it, and where its orders go.
#[derive(Debug, Clone)]
pub struct UnitLink {
    /// The devices.
    pub devices: watch::Receiver<Vec<Polled>>,
    /// The way to the link.
    pub orders: mpsc::Sender<ToUnit>,
}

/// All ways to devices.
#[derive(Default)]
pub struct Ways {
    /// Our own listener.
    pub door: Option<Arc<Door>>,
    /// Brokers, by the name of their source.
    pub brokers: BTreeMap<String, mpsc::Sender<ToDevice>>,
    /// Modbus links.
    pub links: Vec<UnitLink>,
}

/// Gives commands to doors.
pub struct Dispatcher {
    boot: u64,
    outcomes: Outcomes,
    ways: OnceLock<Ways>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("boot", &self.boot).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// A dispatcher of one run of the daemon; no way is open yet.
    #[must_use]
    pub const fn new(boot: u64, outcomes: Outcomes) -> Self {
        Self { boot, outcomes, ways: OnceLock::new() }
    }

    /// The doors are open.
    pub fn open(&self, ways: Ways) {
        self.ways.get_or_init(|| ways);
    }

    /// A batch was committed: what it decided to send goes out now. Does not wait.
    pub fn committed(&self, output: &Output) {
        for command in &output.commands {
            let decided_here = (output.first..=output.cursor).contains(&command.seq);
            if decided_here && command.state.is_open() && command.boot == self.boot {
                self.send(command);
            }
        }
    }

    fn send(&self, command: &Command) {
        if let Err(found) = self.hand_over(command) {
            self.outcomes.tell(SOURCE, &command.id, found);
        }
    }

    fn hand_over(&self, command: &Command) -> Result<(), Found> {
        let away = |why: &str| Found::NotConnected { why: why.to_owned() };
        if self.outcomes.now() >= command.expires_at {
            return Err(Found::Void);
        }
        let ways = self.ways.get().ok_or_else(|| away("no door is open yet"))?;
        let (id, device) = (Arc::clone(&command.id), command.device.clone());
        match command.send.clone() {
            None => Err(away("there is nothing to send")),
            Some(Send::Registers { write, expect }) => {
                let here = |link: &&UnitLink| link.devices.borrow().iter().any(|polled| polled.id == device);
                let link = ways.links.iter().find(here).ok_or_else(|| away("no Modbus link leads to it"))?;
                let order =
                    ToUnit { id, device: device.clone(), write, expect, expires_at: command.expires_at };
                link.orders.try_send(order).map_err(|_| away("too much waits for its link"))
            }
            Some(Send::Message { topic, payload, keep }) => {
                let order = ToDevice { id, device, topic, payload, keep, expires_at: command.expires_at };
                match command.via.as_deref().and_then(|via| ways.brokers.get(via)) {
                    // A broker takes what it is given also for a device that is away; so we look first.
                    Some(_) if !command.present && !order.keep => Err(away("the device is away")),
                    Some(broker) => broker.try_send(order).map_err(|_| away("too much waits for its broker")),
                    None => match &ways.door {
                        Some(door) => door.send(order).map_err(away),
                        None => Err(away("the listener is off")),
                    },
                }
            }
        }
    }
}
