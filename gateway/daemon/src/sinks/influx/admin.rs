//! The only place that uses the `influxdb2` crate (feature `influxdb2`): health, buckets, and history older than the
//! local retention. Never a write: see RELIABILITY 5.3 for what its writer lets through.
//!
//! The crate has no time-outs, drops the base path and can panic on an answer; all three are dealt with here.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use influxdb2::api::buckets::ListBucketsRequest;
use influxdb2::api::organization::ListOrganizationRequest;
use influxdb2::models::health::Status;
use influxdb2::models::{PostBucketRequest, Query};
use influxdb2::{Client, RequestError};
use orderly_core::ids::{ClassId, DeviceId, SiteId, StreamId};
use orderly_core::time::Timestamp;

use super::answers::verdict;
use super::config::{Engine, InfluxConfig};
use crate::config::Credentials;
use crate::outbound;

/// Why the store could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The settings do not allow it.
    #[error("{0}")]
    Settings(String),
    /// This build, or this address, has no way to ask.
    #[error("{0}")]
    Unsupported(&'static str),
    /// It did not answer, or not in time.
    #[error("the store does not answer")]
    Silent,
    /// It refused the question.
    #[error("{status}: {hint} (it said: {said})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What a person may look at.
        hint: &'static str,
        /// The beginning of what it said.
        said: String,
    },
    /// It answered with something else than an InfluxDB 2 would.
    #[error("the store does not answer as an InfluxDB 2 does")]
    Foreign,
    /// It answered with something that cannot be read.
    #[error("the store says: {0}")]
    Answer(String),
}

/// One point of old history.
#[derive(Debug, Clone, PartialEq)]
pub struct OldPoint {
    /// Nanoseconds since 1970, as it was exported.
    pub ns: i64,
    /// The stream.
    pub stream: String,
    /// The value: a number, or the token or text.
    pub value: OldValue,
}

/// A value of old history.
#[derive(Debug, Clone, PartialEq)]
pub enum OldValue {
    /// A number in the metric's canonical unit.
    Number(f64),
    /// A state or a text.
    Text(String),
}

/// Which old points.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The site that exported them.
    pub site: &'a SiteId,
    /// The class of the device.
    pub class: &'a ClassId,
    /// The device.
    pub device: &'a DeviceId,
    /// Only this stream.
    pub stream: Option<&'a StreamId>,
    /// The field: a metric, or a quality.
    pub field: &'a str,
    /// Taken at this moment or later.
    pub from: Timestamp,
    /// Taken before this moment.
    pub to: Timestamp,
    /// Newest first or oldest first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: usize,
}

/// Asks an InfluxDB 2 about itself and its past.
pub struct Admin {
    client: Client,
    org: String,
    bucket: String,
    timeout: Duration,
}

impl Admin {
    /// Reads address and token.
    ///
    /// # Errors
    /// When they cannot be used, or the address has a path, which the crate would drop.
    pub fn new(config: &InfluxConfig, credentials: &Credentials) -> Result<Self, AdminError> {
        let base = outbound::base(&config.url).map_err(|e| AdminError::Settings(e.to_string()))?;
        if base.path() != "/" {
            return Err(AdminError::Unsupported(
                "health, buckets and old history need a `url` without a path",
            ));
        }
        if base.scheme() == "https" && config.ca_file.is_some() {
            return Err(AdminError::Unsupported(
                "health, buckets and old history cannot be asked with a `ca_file`: the crate trusts public authorities only",
            ));
        }
        let token = match &config.token_file {
            Some(file) => credentials.read(file).map_err(AdminError::Settings)?.reveal().to_owned(),
            None => String::new(),
        };
        let client = influxdb2::ClientBuilder::new(base.as_str(), &config.org, token).build();
        let client = client.map_err(|e| AdminError::Settings(e.to_string()))?;
        let (org, bucket) = (config.org.clone(), config.bucket.clone());
        Ok(Self { client, org, bucket, timeout: config.timeout.0 })
    }

    /// Whether the store takes itself for healthy, and its version.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn health(&self) -> Result<(bool, Option<String>), AdminError> {
        let health = self.ask(self.client.health()).await?;
        Ok((health.status == Status::Pass, health.version))
    }

    /// Whether the bucket is there, as far as the token may see.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn has_bucket(&self) -> Result<bool, AdminError> {
        let named = ListBucketsRequest { name: Some(self.bucket.clone()), ..ListBucketsRequest::default() };
        // A missing bucket is a 404 to some versions and an empty list to others.
        match self.ask(self.client.list_buckets(Some(named))).await {
            Ok(found) => Ok(found.buckets.iter().any(|b| b.name == self.bucket)),
            Err(AdminError::Refused { status: 404, .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Makes the bucket if it is not there; tells whether it did.
    ///
    /// # Errors
    /// When the store cannot be asked or does not allow it.
    pub async fn ensure_bucket(&self) -> Result<bool, AdminError> {
        if self.has_bucket().await? {
            return Ok(false);
        }
        let org = ListOrganizationRequest { org: Some(self.org.clone()), ..ListOrganizationRequest::new() };
        let orgs = self.ask(self.client.list_organizations(org)).await?.orgs;
        let org = orgs.into_iter().find(|org| org.name == self.org).and_then(|org| org.id);
        let org =
            org.ok_or_else(|| AdminError::Answer(format!("there is no organisation {:?}", self.org)))?;
        let bucket = PostBucketRequest::new(org, self.bucket.clone());
        self.ask(self.client.create_bucket(Some(bucket))).await?;
        Ok(true)
    }

    /// Points of one field of one device, at most `limit`.
    ///
    /// # Errors
    /// When the store cannot be asked, or its answer makes the crate panic.
    pub async fn history(&self, asked: &Asked<'_>) -> Result<Vec<OldPoint>, AdminError> {
        let Asked { site, class, device, field, from, to, newest_first, limit, .. } = asked;
        // Names hold no quote and no backslash (core::ids); the bucket is the site's own text.
        let bucket = self.bucket.replace('\\', "\\\\").replace('"', "\\\"");
        let stream = asked.stream.map(|s| format!(" and r.stream == \"{s}\"")).unwrap_or_default();
        let flux = format!(
            "from(bucket: \"{bucket}\") |> range(start: {from}, stop: {to}) \
             |> filter(fn: (r) => r._measurement == \"{class}\" and r.site == \"{site}\" \
             and r.device == \"{device}\" and r._field == \"{field}\"{stream}) \
             |> group() |> sort(columns: [\"_time\"], desc: {newest_first}) |> limit(n: {limit}) \
             |> map(fn: (r) => ({{ns: int(v: r._time), stream: r.stream, value: r._value}}))"
        );
        let records = self.ask(self.client.query_raw(Some(Query::new(flux)))).await?;
        let point = |record: influxdb2::api::query::FluxRecord| {
            let value = record.values.get("value")?;
            let number = value.f64().or_else(|| value.i64().map(|n| n as f64));
            let value = match number {
                Some(n) => OldValue::Number(n),
                None => OldValue::Text(value.string()?),
            };
            let ns = record.values.get("ns")?.i64()?;
            let stream = record.values.get("stream").and_then(|s| s.string()).unwrap_or_default();
            Some(OldPoint { ns, stream, value })
        };
        Ok(records.into_iter().filter_map(point).collect())
    }

    async fn ask<T>(&self, question: impl Future<Output = Result<T, RequestError>>) -> Result<T, AdminError> {
        // The crate panics on answers that it did not expect (an empty number is enough).
        match tokio::time::timeout(self.timeout, AssertUnwindSafe(question).catch_unwind()).await {
            Err(_) => Err(AdminError::Silent),
            Ok(Err(_)) => {
                Err(AdminError::Answer("something that the influxdb2 crate cannot read".to_owned()))
            }
            Ok(Ok(Err(e))) => Err(meant(e)),
            Ok(Ok(Ok(answer))) => Ok(answer),
        }
    }
}

fn meant(error: RequestError) -> AdminError {
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect();
    match error {
        RequestError::ReqwestProcessing { source } if source.is_decode() => AdminError::Foreign,
        RequestError::ReqwestProcessing { .. } => AdminError::Silent,
        RequestError::Http { status, text } => {
            let status = status.as_u16();
            AdminError::Refused { status, hint: verdict(Engine::InfluxDb2, status).1, said: short(&text) }
        }
        other @ (RequestError::Serializing { .. } | RequestError::Deserializing { .. }) => {
            AdminError::Answer(short(&other.to_string()))
        }
    }
}
