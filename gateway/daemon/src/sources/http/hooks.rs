//! `POST /ingest/v1/hooks/{name}/...`: what a vendor's cloud pushes, taken when its signature fits.
//!
//! The path behind the name becomes the address, which a profile's topic pattern knows: `hooks/omh/blood-pressure/bp-1`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use orderly_core::record::{Entry, Flags, Kind};
use orderly_core::time::Clock;
use serde::de::IgnoredAny;

use super::Doors;
use super::entrance::{Refusal, Visitor};
use super::json::No;
use super::signature::{Signature, Wrong};

/// The longest address.
const MAX_ADDRESS: usize = 256;

/// The clouds that may post here.
pub struct Hooks {
    hooks: BTreeMap<String, Hook>,
    clock: Option<Arc<dyn Clock>>,
}

/// One cloud.
#[derive(Debug)]
struct Hook {
    signature: Signature,
    source: String,
    taken: AtomicU64,
    refused: AtomicU64,
    last: Mutex<Option<Wrong>>,
}

/// What came from one cloud since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCount {
    /// The name of the hook.
    pub name: String,
    /// Requests that were kept.
    pub taken: u64,
    /// Requests that were refused for their signature.
    pub refused: u64,
    /// Why the last of them was.
    pub last: Option<Wrong>,
}

impl Hooks {
    /// No cloud may post here.
    #[must_use]
    pub const fn none() -> Self {
        Self { hooks: BTreeMap::new(), clock: None }
    }

    /// These may, by name.
    pub fn new(signatures: impl IntoIterator<Item = (String, Signature)>, clock: Arc<dyn Clock>) -> Self {
        let hook = |(name, signature): (String, Signature)| {
            let source = format!("hook:{name}");
            let (taken, refused, last) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(None));
            (name, Hook { signature, source, taken, refused, last })
        };
        Self { hooks: signatures.into_iter().map(hook).collect(), clock: Some(clock) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hooks.is_empty()
    }

    /// What came from each.
    #[must_use]
    pub fn counts(&self) -> Vec<HookCount> {
        let count = |(name, hook): (&String, &Hook)| HookCount {
            name: name.clone(),
            taken: hook.taken.load(Ordering::Relaxed),
            refused: hook.refused.load(Ordering::Relaxed),
            last: *hook.last.lock().unwrap_or_else(PoisonError::into_inner),
        };
        self.hooks.iter().map(count).collect()
    }

    fn check(&self, name: &str, headers: &HeaderMap, body: &[u8]) -> Result<&Hook, No> {
        let (Some(hook), Some(clock)) = (self.hooks.get(name), &self.clock) else {
            return Err(No {
                status: StatusCode::NOT_FOUND,
                code: "not_found",
                message: format!("there is no hook {name:?}"),
                hint: "hooks stand under [http.hooks.<name>] in the settings",
            });
        };
        hook.signature.check(headers, body, clock.now().wall).map_err(|wrong| {
            hook.refused.fetch_add(1, Ordering::Relaxed);
            *hook.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(wrong);
            metrics::counter!("orderly_hook_requests_refused_total", "hook" => name.to_owned()).increment(1);
            // The sender is told the same whatever is wrong; who runs the gateway sees why on the status page.
            No {
                status: StatusCode::UNAUTHORIZED,
                code: "unauthorized",
                message: "the signature does not fit".to_owned(),
                hint: "nothing was kept; the status page of the gateway says more",
            }
        })?;
        Ok(hook)
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").field("hooks", &self.hooks.keys()).finish_non_exhaustive()
    }
}

/// Takes what is posted to the hook itself.
pub(super) async fn take(
    State(doors): State<Arc<Doors>>,
    Path(name): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(keep(&doors, &name, "", &visitor, &headers, body).await)
}

/// Takes what is posted below it.
pub(super) async fn take_below(
    State(doors): State<Arc<Doors>>,
    Path((name, rest)): Path<(String, String)>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(keep(&doors, &name, &rest, &visitor, &headers, body).await)
}

fn answer(kept: Result<(), No>) -> Response {
    match kept {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(no) => no.into_response(),
    }
}

async fn keep(
    doors: &Doors,
    name: &str,
    rest: &str,
    visitor: &Visitor,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), No> {
    if visitor.from_page {
        return Err(Refusal::Forbidden("a web page may not send readings".to_owned()).into());
    }
    let Ok(_place) = doors.json.try_acquire() else {
        return Err(Refusal::Later("too many requests at once".to_owned()).into());
    };
    let body = body.map_err(|e| No {
        status: e.status(),
        code: "bad_body",
        message: e.body_text(),
        hint: "a data point has at most 256 KiB",
    })?;
    let hook = doors.deps.hooks.check(name, headers, &body)?;
    let bad = |message, hint| No { status: StatusCode::BAD_REQUEST, code: "bad_request", message, hint };
    let address = address(name, rest)
        .ok_or_else(|| bad(format!("{rest:?} cannot be an address"), "levels of A-Z a-z 0-9 . _ : -"))?;
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&body) {
        // Where, but not what: the body may say who somebody is.
        let place = format!("line {} column {}", error.line(), error.column());
        return Err(bad(format!("the body is not JSON: {place}"), "send one JSON document"));
    }
    let (kind, flags, source) = (Kind::Envelope, Flags::default(), hook.source.as_str());
    doors.keep(&[Entry { kind, flags, source, connection: 0, address: &address, body: &body }]).await?;
    hook.taken.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// The address of a message: names only, so that it can be matched, shown and written anywhere.
fn address(name: &str, rest: &str) -> Option<String> {
    let rest = rest.trim_end_matches('/');
    let good =
        rest.is_empty() || rest.split('/').all(|level| orderly_core::ids::why_not_a_name(level).is_none());
    let address = if rest.is_empty() { format!("hooks/{name}") } else { format!("hooks/{name}/{rest}") };
    (good && address.len() <= MAX_ADDRESS).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_becomes_the_address() {
        for (rest, want) in [
            ("", Some("hooks/omh")),
            ("blood-pressure/bp-1", Some("hooks/omh/blood-pressure/bp-1")),
            ("bp-1/", Some("hooks/omh/bp-1")),
            ("a//b", None),
            ("a/+", None),
            ("a/#", None),
            ("a b", None),
            ("../x", None),
        ] {
            assert_eq!(address("omh", rest).as_deref(), want, "{rest}");
        }
        assert_eq!(address("omh", &["x"; 200].join("/")), None);
    }
}
