//! What the API may ask of the stores outside: readings from before the local retention.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use orderly_core::ids::{ClassId, SiteId};
use orderly_core::time::{Clock, Timestamp};

use crate::api::dto::{OlderReading, OlderValue, Quality, Scalar};
use crate::api::{FromStore, OldHistory, OlderQuery};
use crate::config::{Credentials, Product, RetentionSettings, Settings};
use crate::sinks::influx::InfluxConfig;

/// The stores of the sinks.
pub struct OldStores {
    site: SiteId,
    retention: RetentionSettings,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    sinks: Vec<InfluxConfig>,
    questions: tokio::sync::Semaphore,
}

/// Requests that may question the store at once: it also has to take the readings of the sink.
const QUESTIONS: usize = 2;

impl OldStores {
    /// Takes the sinks from the settings.
    #[must_use]
    pub fn new(settings: &Settings, site: SiteId, credentials: Credentials, clock: Arc<dyn Clock>) -> Self {
        let sinks = settings.sinks.iter().map(|(name, sink)| InfluxConfig::from_settings(name, sink));
        Self {
            site,
            retention: settings.retention.clone(),
            clock,
            credentials,
            sinks: sinks.collect(),
            questions: tokio::sync::Semaphore::new(QUESTIONS),
        }
    }

    /// An InfluxDB 2 if there is one: the others cannot be asked, which they say.
    fn store(&self) -> Option<&InfluxConfig> {
        self.sinks.iter().find(|sink| sink.engine == Product::InfluxDb2).or_else(|| self.sinks.first())
    }
}

impl OldHistory for OldStores {
    fn local_from(&self, class: &ClassId) -> Timestamp {
        let kept = self.retention.of(class.as_str()).0.as_millis();
        self.clock.now().wall.plus_ms(-i64::try_from(kept).unwrap_or(i64::MAX))
    }

    fn ask(&self, query: OlderQuery) -> BoxFuture<'_, Option<FromStore>> {
        async move {
            let sink = self.store()?;
            let store = sink.name.clone();
            let Ok(_one) = self.questions.try_acquire() else {
                let error = Some("the store is being asked by others: try again".to_owned());
                return Some(FromStore { store, readings: Vec::new(), complete: false, error });
            };
            Some(match read(sink, &self.credentials, &self.site, &query).await {
                Ok((readings, complete)) => FromStore { store, readings, complete, error: None },
                Err(error) => FromStore { store, readings: Vec::new(), complete: false, error: Some(error) },
            })
        }
        .boxed()
    }
}

#[cfg(feature = "influxdb2")]
async fn read(
    sink: &InfluxConfig,
    credentials: &Credentials,
    site: &SiteId,
    query: &OlderQuery,
) -> Result<(Vec<OlderReading>, bool), String> {
    use crate::sinks::influx::admin::{Admin, Asked, OldValue};
    use crate::sinks::influx::old;

    if sink.engine != Product::InfluxDb2 {
        return Err("this store takes readings and cannot be asked for old ones: that takes the Flux of an InfluxDB 2".to_owned());
    }
    let admin = Admin::new(sink, credentials).map_err(|e| e.to_string())?;
    let asked = Asked {
        site,
        class: &query.class,
        device: &query.device,
        stream: query.stream.as_ref(),
        field: "",
        from: query.from,
        to: query.to,
        newest_first: query.newest_first,
        limit: query.limit,
    };
    let (found, complete) = old::readings(&admin, asked, &query.metrics).await.map_err(|e| e.to_string())?;
    let readings = found.into_iter().map(|reading| OlderReading {
        stream: reading.stream,
        taken_at: Timestamp(reading.ns.div_euclid(1_000_000)).into(),
        values: reading
            .values
            .into_iter()
            .map(|(metric, value, quality)| {
                let value = match value {
                    OldValue::Number(n) => Scalar::Number(n),
                    OldValue::Text(text) => Scalar::Text(text),
                };
                (
                    metric.to_string(),
                    OlderValue { value, unit: None, quality: quality.and_then(|q| judged(&q)) },
                )
            })
            .collect(),
    });
    Ok((readings.collect(), complete))
}

#[cfg(feature = "influxdb2")]
fn judged(word: &str) -> Option<Quality> {
    match word {
        "good" => Some(Quality::Good),
        "uncertain" => Some(Quality::Uncertain),
        "bad" => Some(Quality::Bad),
        _ => None,
    }
}

#[cfg(not(feature = "influxdb2"))]
async fn read(
    _: &InfluxConfig,
    _: &Credentials,
    _: &SiteId,
    _: &OlderQuery,
) -> Result<(Vec<OlderReading>, bool), String> {
    std::future::ready(Err("this build asks no store for old readings".to_owned())).await
}
