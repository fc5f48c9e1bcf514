//! Asks the store about itself, at the start and now and then: whether it is healthy and has the bucket. So a wrong
//! token or bucket is known before the first reading, and also while none comes.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::admin::{Admin, AdminError};
use super::config::{Engine, InfluxConfig};
use crate::config::Credentials;
use crate::sinks::{SinkStatus, StoreCheck};

/// A healthy store is asked again after so long.
const AGAIN: Duration = Duration::from_secs(300);

/// Asks until it is told to stop. Whatever comes of it, the writing goes on by itself.
pub(super) async fn run(
    config: InfluxConfig,
    credentials: Credentials,
    status: watch::Sender<SinkStatus>,
    stop: CancellationToken,
) {
    loop {
        // The token is read anew each time: it may be what a person has mended.
        let found = look(&config, &credentials).await;
        let pause = match &found {
            StoreCheck::Faulty(_) | StoreCheck::Unknown => config.hold.0,
            StoreCheck::Ok | StoreCheck::Unsupported(_) => AGAIN,
        };
        status.send_if_modified(|s| {
            if s.store == found {
                return false;
            }
            match &found {
                StoreCheck::Faulty(why) => tracing::warn!(sink = %s.name, why, "the store has a fault"),
                StoreCheck::Ok | StoreCheck::Unknown => {
                    tracing::info!(sink = %s.name, "the store is healthy")
                }
                StoreCheck::Unsupported(why) => {
                    tracing::info!(sink = %s.name, why, "the store cannot be asked")
                }
            }
            s.store = found;
            true
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn look(config: &InfluxConfig, credentials: &Credentials) -> StoreCheck {
    match config.engine {
        Engine::InfluxDb2 => {}
        Engine::VictoriaMetrics => {
            return StoreCheck::Unsupported(
                "VictoriaMetrics takes readings; it has no buckets and no Flux, so old history stays there",
            );
        }
        Engine::InfluxDb1 | Engine::InfluxDb3 => {
            return StoreCheck::Unsupported(
                "health, buckets and old history are asked of an InfluxDB 2 only",
            );
        }
    }
    match asked(config, credentials).await {
        Ok(()) => StoreCheck::Ok,
        Err(AdminError::Unsupported(why)) => StoreCheck::Unsupported(why),
        Err(AdminError::Foreign) => StoreCheck::Unsupported(
            "it takes readings and is no InfluxDB 2: set `product` to what it is (old history stays there)",
        ),
        Err(error) => StoreCheck::Faulty(error.to_string()),
    }
}

async fn asked(config: &InfluxConfig, credentials: &Credentials) -> Result<(), AdminError> {
    let admin = Admin::new(config, credentials)?;
    let (healthy, _) = admin.health().await?;
    if !healthy {
        return Err(AdminError::Answer("it takes itself for unhealthy".to_owned()));
    }
    if config.create_bucket {
        if admin.ensure_bucket().await? {
            tracing::info!(sink = %config.name, bucket = %config.bucket, "the bucket was made");
        }
        return Ok(());
    }
    if admin.has_bucket().await? {
        return Ok(());
    }
    let bucket = &config.bucket;
    Err(AdminError::Settings(format!(
        "no bucket {bucket:?} is to be seen with this token: create it, mend `bucket` or `org`, set `create_bucket`, \
         or let the token read it"
    )))
}
