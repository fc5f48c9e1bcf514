//! One receiver: posts a notice once and says what came of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use orderly_core::time::{Now, Timestamp};
use orderly_store::state::DueNotice;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::value::RawValue;

use super::config::WebhookConfig;
use super::sign::sign;
use crate::config::{Credentials, Secret};
use crate::outbound::{self, OutboundError};
use crate::retry::Breaker;

/// The longest pause that a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What is posted.
#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    decided_at: String,
    sent_at: String,
    attempt: u32,
    notice: &'a RawValue,
}

/// One receiver.
pub(super) struct Channel {
    pub(super) name: String,
    client: Client,
    url: Url,
    authorization: Option<HeaderValue>,
    secret: Option<Secret>,
    pub(super) max_age: Duration,
    breaker: Mutex<Breaker>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) why: String,
    /// How long the receiver asks to wait.
    pub(super) pause: Option<Duration>,
}

impl Channel {
    pub(super) fn new(config: &WebhookConfig, credentials: &Credentials) -> Result<Self, OutboundError> {
        let url = outbound::base(&config.url)?;
        let read = |file: &std::path::PathBuf| credentials.read(file).map_err(OutboundError::Secret);
        let token = config.token_file.as_ref().map(read).transpose()?;
        let authorization = token.map(|t| outbound::secret_header("Bearer", &t)).transpose()?;
        Ok(Self {
            name: config.name.clone(),
            client: outbound::client(&url, config.ca_file.as_deref(), config.timeout.0)?,
            url,
            authorization,
            secret: config.sign_file.as_ref().map(read).transpose()?,
            max_age: config.max_age.0,
            breaker: Mutex::new(Breaker::new(config.breaker_after, config.breaker_pause.0)),
        })
    }

    /// When the next attempt may be made, if not now.
    pub(super) fn closed_until(&self, now: Now) -> Option<u64> {
        let breaker = self.breaker();
        if breaker.admits(now.steady_ms) { None } else { breaker.next_try() }
    }

    /// Whether it is taken for dead, so that one attempt at a time is enough.
    pub(super) fn is_doubted(&self) -> bool {
        self.breaker().is_open()
    }

    /// One attempt.
    pub(super) async fn post(&self, notice: &DueNotice, now: Now) -> Result<(), Failed> {
        let result = self.try_post(notice, now.wall).await;
        match &result {
            Ok(()) => self.breaker().success(),
            Err(_) => self.breaker().failure(now.steady_ms),
        }
        result
    }

    async fn try_post(&self, notice: &DueNotice, at: Timestamp) -> Result<(), Failed> {
        let failed = |why: String| Failed { why, pause: None };
        let body = message(notice, at).map_err(|e| failed(format!("the notice cannot be written: {e}")))?;
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &notice.id);
        if let Some(secret) = &self.secret {
            let time = at.to_string();
            let signature = sign(secret.reveal().as_bytes(), &time, &body);
            request = request.header("Orderly-Time", time).header("Orderly-Signature", signature);
        }
        if let Some(token) = &self.authorization {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|e| failed(outbound::chain(&e.without_url())))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let pause = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        let pause = pause.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
        Err(Failed { why: format!("it answers {}", answer.status().as_u16()), pause })
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A notice that is sent late carries both times (DESIGN 7.5).
fn message(notice: &DueNotice, at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
    let notice_body = RawValue::from_string(notice.body.clone())?;
    serde_json::to_vec(&Message {
        id: &notice.id,
        decided_at: notice.decided_at.to_string(),
        sent_at: at.to_string(),
        attempt: notice.tries.saturating_add(1),
        notice: &notice_body,
    })
}
