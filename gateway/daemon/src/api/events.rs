//! `/api/v1/events`: what changes, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::router::App;
use super::stage::{Frame, render_since, stopped};

/// How long a connection is silent at most.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What changes, as server-sent events: `devices`, `alerts`, `status`, and `resync` when the board must read
/// everything again. The id is the number of the commit.
#[utoipa::path(get, path = "/api/v1/events", tag = "live",
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "the last id that was seen"),
        ("last_event_id" = Option<u64>, Query, description = "the same for clients that cannot set the header"),
    ),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 503, body = ErrorBody)))]
pub(crate) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let params = params.only(&["last_event_id"])?;
    let permit = Arc::clone(&app.live).try_acquire_owned().map_err(|_| ApiError::busy())?;
    let last = match headers.get("last-event-id") {
        Some(value) => Some(value.to_str().unwrap_or_default().to_owned()),
        None => params.text("last_event_id").map(str::to_owned),
    };
    // A last id that is no number was not ours: 0 lies before everything, so it ends in a resync at worst.
    let last = last.map(|text| text.trim().parse().unwrap_or(0));
    // Join before the place is read: what is committed in between comes twice rather than never.
    let frames = app.stage.join();
    let place = app.parts.feed.head();
    let stop = app.parts.stop.clone();
    let line = Line { app, frames, stop, place: last.unwrap_or(place), next: Next::Greet, _permit: permit };
    let body = Body::from_stream(stream::unfold(line, |mut line| async move {
        line.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), line))
    }));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // A proxy that gathers the answer would hold the events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// One live connection. It holds no queue of its own: what it has not passed on stays in the shared ring.
struct Line {
    app: App,
    frames: broadcast::Receiver<Frame>,
    stop: watch::Receiver<bool>,
    /// The commit that the board stands at.
    place: u64,
    next: Next,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Greet,
    CatchUp,
    Follow,
}

impl Line {
    /// The next bytes; `None` ends the connection.
    async fn next(&mut self) -> Option<Bytes> {
        match self.next {
            Next::Greet => {
                self.next = Next::CatchUp;
                Some(Bytes::from_static(b"retry: 2000\n\n"))
            }
            Next::CatchUp => {
                self.next = Next::Follow;
                let reads = Arc::clone(&self.app.parts.reads);
                let (text, commit) = render_since(reads, &self.app.parts.feed, self.place).await;
                self.place = commit;
                Some(text)
            }
            Next::Follow => self.follow().await,
        }
    }

    async fn follow(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::select! {
                () = stopped(&mut self.stop) => return None,
                frame = tokio::time::timeout(KEEP_ALIVE, self.frames.recv()) => frame,
            };
            match frame {
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
                // Already had it when it caught up.
                Ok(Ok(Frame { commit: Some(commit), .. })) if commit <= self.place => {}
                Ok(Ok(Frame { commit, text })) => {
                    self.place = commit.unwrap_or(self.place);
                    return Some(text);
                }
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    self.next = Next::CatchUp;
                    return Some(Bytes::from_static(b": caught up from the ring\n\n"));
                }
                Ok(Err(broadcast::error::RecvError::Closed)) => return None,
            }
        }
    }
}
