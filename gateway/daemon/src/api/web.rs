//! The boards: the files of `dashboards/web/dist`, or a page that says how to build them.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

/// The built boards. `build.rs` sees to it that the binary is built again when they change; a debug build
/// reads them from the disk.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../dashboards/web/dist"]
#[allow_missing = true]
struct Dist;

const NOT_BUILT: &str = include_str!("not_built.html");

/// First parts of paths that belong to programs: nothing there is ever a page.
const PROGRAMS: [&str; 4] = ["api", "ingest", "metrics", "health"];

/// Everything that is no route of the API: files of the boards, and the page itself for its own addresses.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if PROGRAMS.contains(&first) || !matches!(method, Method::GET | Method::HEAD) {
        return no_such_address().into_response();
    }
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    match Dist::get(path).filter(|_| !path.is_empty() && !hidden) {
        Some(file) => answer(path, &file, &headers),
        None if path.rsplit('/').next().is_some_and(|last| last.contains('.')) => {
            no_such_address().into_response()
        }
        None => page(&headers),
    }
}

fn page(headers: &HeaderMap) -> Response {
    match Dist::get("index.html") {
        Some(file) => answer("index.html", &file, headers),
        None => ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")], NOT_BUILT)
            .into_response(),
    }
}

fn answer(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash: String =
        file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    // Names under assets/ carry a hash of their content, so they never change; the page is asked for each time.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let fresh = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(&etag));
    let known = [(CACHE_CONTROL, cache.to_owned()), (ETAG, etag)];
    if fresh {
        return (StatusCode::NOT_MODIFIED, known).into_response();
    }
    let kind = content_type(path, file);
    (known, [(CONTENT_TYPE, kind)], file.data.to_vec()).into_response()
}

fn content_type(path: &str, file: &EmbeddedFile) -> String {
    if path.ends_with(".html") {
        return "text/html; charset=utf-8".to_owned();
    }
    file.metadata.mimetype().to_owned()
}

fn no_such_address() -> ApiError {
    ApiError::not_found("address", "", "see /api/openapi.json, or / for the boards")
}
