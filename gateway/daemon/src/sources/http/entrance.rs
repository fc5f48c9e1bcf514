//! Who is at the door, and whether it is taken in now.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use base64_lite::decode as decode_base64;
use orderly_core::record::Entry;

use super::{Doors, Never};
use crate::sources::intake::{Appended, IntakeError, admitted, append_durably};
use crate::sources::mqtt_door::{Attempt, Login};

/// How long a bulk request waits for the engine before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that may wait for the disk before requests are told to come again.
const MAX_UNSYNCED: usize = 64 * 1024 * 1024;

/// What a client shows.
pub(super) struct Visitor {
    peer: Option<SocketAddr>,
    authorization: Option<String>,
    /// A browser sends this; the doors are for programs.
    pub(super) from_page: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Never;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Never> {
        let text = parts.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Ok(Self {
            peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
            authorization: text,
            from_page: parts.headers.contains_key(ORIGIN),
        })
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It must show a credential that is valid.
    Nobody,
    /// It may not do that.
    Forbidden(String),
    /// Come again in a second.
    Later(String),
}

impl Doors {
    /// Who it is. `about`: the device that a bare token belongs to.
    pub(super) fn admit(&self, visitor: &Visitor, about: Option<&str>) -> Result<Login, Refusal> {
        if visitor.from_page {
            return Err(Refusal::Forbidden("a web page may not send readings".to_owned()));
        }
        let peer = visitor.peer.or(self.deps.peer).ok_or(Refusal::Nobody)?;
        let shown = visitor.authorization.as_deref().and_then(|text| credential(text, about));
        let (username, password) = match &shown {
            Some((name, secret)) => (Some(name.as_str()), Some(secret.as_bytes())),
            None => (None, None),
        };
        let attempt = Attempt { client_id: "http", username, password, peer };
        match self.deps.logins.check(&attempt) {
            // Agents cannot be told to send no token; before there is any credential it means nothing.
            Login::Refused if username.is_some() => {
                match self.deps.logins.check(&Attempt { username: None, password: None, ..attempt }) {
                    Login::Anonymous => Ok(Login::Anonymous),
                    Login::Device { .. } | Login::Refused => Err(Refusal::Nobody),
                }
            }
            Login::Refused => Err(Refusal::Nobody),
            login => Ok(login),
        }
    }

    /// Waits until bulk may come in, appends, and waits for the disk.
    pub(super) async fn keep(&self, entries: &[Entry<'_>]) -> Result<Appended, Refusal> {
        let intake = &*self.deps.intake;
        if tokio::time::timeout(PATIENCE, admitted(intake)).await.is_err() {
            return Err(Refusal::Later("the gateway is working off a backlog".to_owned()));
        }
        if intake.unsynced_bytes() > MAX_UNSYNCED {
            return Err(Refusal::Later("the disk is behind".to_owned()));
        }
        append_durably(intake, entries).await.map_err(|e: IntakeError| Refusal::Later(e.to_string()))
    }
}

/// Name and secret: `Basic` as usual, `Bearer` and `Token` as `device:secret`, or the secret alone where the
/// address names the device.
fn credential(header: &str, about: Option<&str>) -> Option<(String, String)> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    let rest = rest.trim();
    let pair = |text: &str| text.split_once(':').map(|(name, secret)| (name.to_owned(), secret.to_owned()));
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => pair(&String::from_utf8(decode_base64(rest)?).ok()?),
        "bearer" | "token" => pair(rest).or_else(|| about.map(|name| (name.to_owned(), rest.to_owned()))),
        _ => None,
    }
}

/// Base64 as `Basic` uses it: the only place that needs it.
mod base64_lite {
    /// The bytes of a text in the standard alphabet, with or without padding.
    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        let text = text.trim_end_matches('=').as_bytes();
        let mut out = Vec::with_capacity(text.len() * 3 / 4);
        let (mut bits, mut held) = (0_u32, 0_u32);
        for byte in text {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = (bits << 6) | u32::from(six);
            held += 6;
            if held >= 8 {
                held -= 8;
                out.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        if text.len() % 4 == 1 || bits != 0 { None } else { Some(out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_to_show_a_credential() {
        let pair = |name: &str, secret: &str| Some((name.to_owned(), secret.to_owned()));
        for (header, about, want) in [
            ("Basic YnAtMTpzM2NyZXQ=", None, pair("bp-1", "s3cret")),
            ("basic YnAtMTpzM2NyZXQ", Some("x"), pair("bp-1", "s3cret")),
            ("Bearer s3cret", Some("bp-1"), pair("bp-1", "s3cret")),
            ("Bearer bp-2:s3cret", Some("bp-1"), pair("bp-2", "s3cret")),
            ("Token bp-2:s3:cret", None, pair("bp-2", "s3:cret")),
            ("Token my-token", None, None),
            ("Basic %%%", None, None),
            ("Digest x", Some("bp-1"), None),
            ("", None, None),
        ] {
            assert_eq!(credential(header, about), want, "{header}");
        }
    }

    #[test]
    fn base64_agrees_with_the_published_vectors() {
        // RFC 4648, section 10.
        for (text, want) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode_base64(text).unwrap(), want.as_bytes(), "{text}");
        }
        for bad in ["Z", "Zg!=", "Zh==", "Zm9v Zg"] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }
}
