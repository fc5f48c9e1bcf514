//! The way of delivery results to the state store, over the committer.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::delivery::Delivery;
use crate::pipeline::{DeliveryChange, StateCommand};

/// Hands changes to the committer. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct CommitterDelivery(pub mpsc::Sender<StateCommand>);

impl Delivery for CommitterDelivery {
    fn deliver(&self, change: DeliveryChange) -> BoxFuture<'_, Result<(), String>> {
        let ended = || "the gateway is stopping".to_owned();
        async move {
            let (done, told) = oneshot::channel();
            self.0.send(StateCommand::Deliver { change, done }).await.map_err(|_| ended())?;
            told.await.map_err(|_| ended())?
        }
        .boxed()
    }
}
