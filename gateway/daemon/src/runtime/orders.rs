//! People's orders: journalled, decided, committed, audited, and only then answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use orderly_core::output::Answer;
use orderly_core::record::{Action, Entry, Flags, Kind, Order};

use super::random;
use super::register::Register;
use crate::api::{OrderError, Orders};
use crate::config::CommandSettings;
use crate::pipeline::{Answers, Unanswered};
use crate::sources::intake::{Intake, IntakeError};

/// A person does not wait longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes orders. Cloning is cheap.
#[derive(Clone)]
pub struct OrderDesk {
    intake: Arc<dyn Intake>,
    answers: Arc<Answers>,
    allowed: Arc<CommandSettings>,
    register: Arc<Register>,
}

/// Why an order got no answer.
#[derive(Debug, thiserror::Error)]
pub enum OrderFailed {
    /// It was not taken and will not be carried out.
    #[error("the order was not taken: {0}")]
    NotTaken(String),
    /// It may be carried out; the same idempotency key finds out.
    #[error("the order was taken, its answer is still out: {0}")]
    Out(String),
}

impl OrderDesk {
    /// A desk before the journal.
    #[must_use]
    pub const fn new(
        intake: Arc<dyn Intake>,
        answers: Arc<Answers>,
        allowed: Arc<CommandSettings>,
        register: Arc<Register>,
    ) -> Self {
        Self { intake, answers, allowed, register }
    }

    /// An order to a device gets its grant and its nonce here and nowhere else, whoever brings it.
    fn granted(&self, action: &Action) -> Result<Action, OrderFailed> {
        let mut action = action.clone();
        if let Order::CommandDevice { device, command, grant, nonce, .. } = &mut action.order {
            let class = self.register.class_of(device);
            let class = class.as_ref().map_or("", |class| class.as_str());
            *grant = self.allowed.grant(device.as_str(), class, command).map(str::to_owned);
            let drawn = random::bytes().map_err(|e| OrderFailed::NotTaken(e.to_string()))?;
            *nonce = format!("{:032x}", u128::from_be_bytes(drawn));
        }
        Ok(action)
    }

    /// Carries one order and waits for its answer.
    ///
    /// # Errors
    /// When it was not taken, or no answer came in time.
    pub async fn submit(&self, action: &Action) -> Result<Answer, OrderFailed> {
        let action = self.granted(action)?;
        let body = rmp_serde::to_vec_named(&action).map_err(|e| OrderFailed::NotTaken(e.to_string()))?;
        let entry = Entry {
            kind: Kind::Action,
            flags: Flags::default(),
            source: "control",
            connection: 0,
            address: "",
            body: &body,
        };
        let told = self
            .answers
            .register(|| self.intake.append(&[entry]).map(|appended| appended.last))
            .map_err(|e: IntakeError| OrderFailed::NotTaken(e.to_string()))?;
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(Unanswered::Lost))) => Err(OrderFailed::NotTaken(Unanswered::Lost.to_string())),
            Ok(Ok(Err(why))) => Err(OrderFailed::Out(why.to_string())),
            Ok(Err(_)) => Err(OrderFailed::Out("the gateway is stopping".to_owned())),
            Err(_) => Err(OrderFailed::Out("it takes unusually long".to_owned())),
        }
    }
}

impl Orders for OrderDesk {
    fn allows(&self, device: &str, class: &str, command: &str) -> bool {
        self.allowed.grant(device, class, command).is_some()
    }

    fn submit<'a>(
        &'a self,
        action: Action,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, OrderError>> + Send + 'a>> {
        Box::pin(async move {
            Self::submit(self, &action).await.map_err(|error| match error {
                OrderFailed::NotTaken(why) => {
                    tracing::warn!(%why, "an order was not taken");
                    OrderError::Unavailable
                }
                OrderFailed::Out(why) => {
                    tracing::warn!(%why, "an order has no answer yet");
                    OrderError::Unanswered
                }
            })
        })
    }
}

impl std::fmt::Debug for OrderDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderDesk").finish_non_exhaustive()
    }
}
