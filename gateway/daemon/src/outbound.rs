//! The one place where HTTP clients are made: crypto, certificates, time-outs, and no redirects.

use std::path::Path;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use crate::config::Secret;

/// Why a client or its address could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The text is no URL that can be used.
    #[error("{url:?} cannot be used: {why}")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the settings name cannot be read.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A secret that the settings name cannot be used.
    #[error("{0}")]
    Secret(String),
    /// The client could not be made.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
}

/// Reads a base address: http or https, a host, no query. Its path is kept by [`join`].
///
/// # Errors
/// When it is not such an address.
pub fn base(text: &str) -> Result<Url, OutboundError> {
    let wrong = |why: &str| OutboundError::Url { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err(wrong("it must begin with http:// or https://")),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("secrets belong into a file, not into the address"));
    }
    Ok(url)
}

/// Appends a path to a base address and keeps the base's own path: sites put stores behind reverse proxies.
#[must_use]
pub fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// A client for one address. Certificates are read only for https; `ca_file` replaces those of the system.
///
/// # Errors
/// When the certificates cannot be read or the client cannot be made.
pub fn client(url: &Url, ca_file: Option<&Path>, timeout: Duration) -> Result<Client, OutboundError> {
    // Another part of the program may have chosen the same provider already; then there is nothing to do.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = Client::builder()
        .user_agent(concat!("orderly/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true);
    if let Some(path) = ca_file {
        let wrong = |why: String| OutboundError::File { path: path.display().to_string(), why };
        let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        builder =
            builder.tls_certs_only(Certificate::from_pem_bundle(&pem).map_err(|e| wrong(e.to_string()))?);
    } else if url.scheme() == "http" {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|e| OutboundError::Client(chain(&e)))
}

/// A header that carries a secret and is never logged.
///
/// # Errors
/// When the secret is not one line of printable ASCII.
pub fn secret_header(scheme: &str, secret: &Secret) -> Result<HeaderValue, OutboundError> {
    let secret = secret.reveal();
    let wrong =
        || OutboundError::Secret("a token must be one line of printable ASCII without spaces".to_owned());
    if !secret.bytes().all(|b| (0x21..0x7f).contains(&b)) {
        return Err(wrong());
    }
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error with its causes, since the outermost of reqwest says little.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_path_of_the_base() {
        for (from, to) in [
            ("http://h:1", "http://h:1/api/v2/write"),
            ("http://h:1/", "http://h:1/api/v2/write"),
            ("https://h/prefix", "https://h/prefix/api/v2/write"),
            ("https://h/a/b/?x=1", "https://h/a/b/api/v2/write"),
        ] {
            assert_eq!(join(&base(from).unwrap(), "/api/v2/write").as_str(), to);
        }
    }

    #[test]
    fn refuses_addresses_that_cannot_be_meant() {
        for (text, why) in [
            ("ftp://h", "http://"),
            ("h:8086", "http://"),
            ("http://user:pw@h", "file"),
            ("", "relative URL"),
        ] {
            let error = base(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_is_one_printable_line_and_stays_hidden() {
        let header = |text: &str| secret_header("Token", &Secret::new(text.to_owned()));
        assert!(
            header("a b").is_err()
                && header(
                    "a
b"
                )
                .is_err()
        );
        let good = header("abc==").unwrap();
        assert_eq!(good, "Token abc==");
        assert_eq!(format!("{good:?}"), "Sensitive");
    }
}
