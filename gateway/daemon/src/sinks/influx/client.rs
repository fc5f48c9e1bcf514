//! One HTTP connection pool to one store: the write door, and the page that tells when the store was started.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url};

use super::config::{Dialect, InfluxConfig};
use crate::config::Credentials;
use crate::outbound::{self, OutboundError};

/// The longest pause that a store may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What came back for a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Status {
        /// HTTP status.
        code: u16,
        /// How long the store asks to wait.
        retry_after: Option<Duration>,
        /// The first 300 characters of what it said.
        said: String,
    },
    /// None: the sender does not know whether the points were kept.
    None(String),
}

/// The store as seen from here.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    write: Url,
    metrics: Url,
    authorization: Option<HeaderValue>,
}

impl Store {
    /// Reads address, token and certificates.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(config: &InfluxConfig, credentials: &Credentials) -> Result<Self, OutboundError> {
        let base = outbound::base(&config.url)?;
        let client = outbound::client(&base, config.ca_file.as_deref(), config.timeout.0)?;
        let authorization = match &config.token_file {
            Some(file) => {
                let token = credentials.read(file).map_err(OutboundError::Secret)?;
                Some(outbound::secret_header("Token", &token)?)
            }
            None => None,
        };
        let (door, names) = match config.dialect() {
            Dialect::V1 => ("/write", vec![("db", &config.bucket)]),
            Dialect::V2 => ("/api/v2/write", vec![("org", &config.org), ("bucket", &config.bucket)]),
        };
        let mut write = outbound::join(&base, door);
        write.query_pairs_mut().extend_pairs(names).append_pair("precision", "ns");
        Ok(Self { client, write, metrics: outbound::join(&base, "/metrics"), authorization })
    }

    /// Sends lines that were compressed with gzip.
    pub async fn write(&self, body: Bytes) -> Reply {
        let mut request = self
            .client
            .post(self.write.clone())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(CONTENT_ENCODING, "gzip")
            .body(body);
        if let Some(token) = &self.authorization {
            request = request.header(AUTHORIZATION, token.clone());
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(e) => return Reply::None(outbound::chain(&e.without_url())),
        };
        let code = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(pause);
        // The status is what counts; a body that breaks off does not change it.
        let said = answer.text().await.unwrap_or_default();
        let said = said.chars().filter(|c| !c.is_control()).take(300).collect();
        Reply::Status { code, retry_after, said }
    }

    /// When the store was started, in seconds, as it says itself; `None` when it does not say.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn started_at(&self) -> Result<Option<i64>, ()> {
        let answer = self.client.get(self.metrics.clone()).send().await.map_err(drop)?;
        match answer.status().as_u16() {
            200 => answer.text().await.map_err(drop).map(|page| started_at(&page)),
            500.. => Err(()),
            _ => Ok(None),
        }
    }
}

/// Retry-After in seconds. The other form, a date, needs a clock that agrees with the store's: it is not read.
fn pause(value: &HeaderValue) -> Option<Duration> {
    let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

fn started_at(page: &str) -> Option<i64> {
    let line = page.lines().find(|line| line.starts_with("vm_app_start_timestamp"))?;
    line.split_whitespace().next_back()?.parse::<f64>().ok().map(|n| n as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_address_of_either_door() {
        let mut config = InfluxConfig {
            url: "http://h:1/base/".to_owned(),
            org: "a b".to_owned(),
            bucket: "x&y".to_owned(),
            ..InfluxConfig::default()
        };
        let url = Store::new(&config, &Credentials::default()).unwrap().write;
        assert_eq!(url.as_str(), "http://h:1/base/api/v2/write?org=a+b&bucket=x%26y&precision=ns");
        config.dialect = Some(Dialect::V1);
        let url = Store::new(&config, &Credentials::default()).unwrap().write;
        assert_eq!(url.as_str(), "http://h:1/base/write?db=x%26y&precision=ns");
    }

    #[test]
    fn reads_pauses_and_the_start_of_the_store() {
        assert_eq!(pause(&HeaderValue::from_static("7")), Some(Duration::from_secs(7)));
        assert_eq!(pause(&HeaderValue::from_static("999999")), Some(LONGEST_PAUSE));
        assert_eq!(pause(&HeaderValue::from_static("Wed, 21 Oct 2026 07:28:00 GMT")), None);
        assert_eq!(started_at("a 1\nvm_app_start_timestamp 1700000000\nb 2"), Some(1_700_000_000));
        assert_eq!(started_at("a 1\n"), None);
    }
}
