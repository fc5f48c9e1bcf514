//! The socket in the data directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::protocol::{Reply, Request};

/// Name of the socket in the data directory.
pub const SOCKET: &str = "control.sock";
/// The longest request line: 500 lines of the hospital's list with the longest names.
const MAX_LINE: u64 = 512 << 10;
/// Clients at the same time.
const MAX_CLIENTS: usize = 16;

/// Opens the socket and answers until stopped. The caller holds the lock of the directory, so a socket file that
/// lies there belongs to nobody any more.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen(
    dir: &Path,
    desk: Desk,
    stop: CancellationToken,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let path = dir.join(SOCKET);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Bound under a private name and mode first: it never stands open to others, not even for a moment.
    let private = dir.join(".control");
    fs::create_dir_all(&private)?;
    fs::set_permissions(&private, Permissions::from_mode(0o700))?;
    let fresh = private.join("s");
    drop(fs::remove_file(&fresh));
    let listener = UnixListener::bind(short(&fresh)?)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, &path)?;
    fs::remove_dir(&private)?;
    Ok(serve(listener, desk, stop))
}

/// A path that fits into a socket address (107 bytes), by way of the working directory if need be.
pub(super) fn short(path: &Path) -> io::Result<std::path::PathBuf> {
    const LONGEST: usize = 107;
    if path.as_os_str().len() <= LONGEST {
        return Ok(path.to_owned());
    }
    let here = std::env::current_dir()?;
    match path.strip_prefix(here) {
        Ok(relative) if relative.as_os_str().len() <= LONGEST => Ok(relative.to_owned()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is too long for a socket; choose a shorter data_dir", path.display()),
        )),
    }
}

async fn serve(listener: UnixListener, desk: Desk, stop: CancellationToken) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
            accepted = listener.accept(), if clients.len() < MAX_CLIENTS => match accepted {
                Ok((stream, _)) => { clients.spawn(answer(stream, desk.clone())); }
                Err(error) => tracing::warn!(%error, "a control client was not accepted"),
            },
        }
    }
    // Who asked us to stop still gets the reply.
    while !clients.is_empty()
        && tokio::time::timeout(std::time::Duration::from_millis(200), clients.join_next()).await.is_ok()
    {
    }
}

async fn answer(stream: UnixStream, desk: Desk) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(MAX_LINE)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str::<Request>(&line) {
            Ok(request) => desk.carry_out(request).await,
            Err(e) => Reply::Error(format!("not a request: {e}")),
        };
        let Ok(mut text) = serde_json::to_vec(&reply) else { return };
        text.push(b'\n');
        if write.write_all(&text).await.is_err() {
            return;
        }
    }
}
