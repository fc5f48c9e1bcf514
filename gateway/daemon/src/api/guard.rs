//! Who may speak to the API, and the headers that keep a browser careful.

use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Refuses requests that a foreign web page could have sent through somebody's browser.
///
/// The API answers on loopback without accounts, so a page that makes its own name point to 127.0.0.1 must
/// not read it (the `Host` must be a loopback name), and no foreign page may change anything (`Origin`).
pub(crate) async fn own_pages_only(request: Request, next: Next) -> Response {
    let host = host_of(&request);
    if !host.as_deref().is_some_and(is_loopback_name) {
        return ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "this address is not served here",
            "use http://127.0.0.1 or http://localhost with the port of the gateway",
        )
        .into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) && foreign_origin(request.headers()) {
        return ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "the request comes from a foreign page",
            "only the gateway's own pages and programs may give orders",
        )
        .into_response();
    }
    next.run(request).await
}

/// Adds the headers that keep a browser careful to every answer.
pub(crate) async fn careful_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), usb=(), serial=(), bluetooth=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What the gateway shows is of the moment and may be of a patient: nothing on the way keeps it.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn host_of(request: &Request) -> Option<String> {
    let named = request.headers().get(header::HOST).and_then(|v| v.to_str().ok());
    let authority = named.or_else(|| request.uri().authority().map(|a| a.as_str()))?;
    Some(host_part(authority).to_ascii_lowercase())
}

fn host_part(authority: &str) -> &str {
    match authority.rfind(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn is_loopback_name(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn foreign_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let own = headers.get(header::HOST).and_then(|v| v.to_str().ok());
    let told = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, rest)| rest);
    own.is_none() || told != own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_ours() {
        for own in ["127.0.0.1:8080", "localhost", "localhost:1", "[::1]:8080", "127.1.2.3"] {
            assert!(is_loopback_name(host_part(own)), "{own}");
        }
        for foreign in
            ["evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost.evil", "[::2]"]
        {
            assert!(!is_loopback_name(host_part(foreign)), "{foreign}");
        }
    }

    #[test]
    fn an_origin_must_be_the_own_host() {
        let headers = |origin: &'static str| {
            HeaderMap::from_iter([
                (header::HOST, HeaderValue::from_static("127.0.0.1:8080")),
                (header::ORIGIN, HeaderValue::from_static(origin)),
            ])
        };
        assert!(!foreign_origin(&headers("http://127.0.0.1:8080")));
        assert!(foreign_origin(&headers("http://127.0.0.1:9090")));
        assert!(foreign_origin(&headers("https://evil.example")));
        assert!(foreign_origin(&headers("null")));
        assert!(!foreign_origin(&HeaderMap::new()), "programs send no Origin");
    }
}
