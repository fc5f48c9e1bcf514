//! The command line's side of the socket.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::protocol::{Reply, Request};
use super::server::{SOCKET, short};

/// Longer than a person's order may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came of asking.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// The daemon answered.
    Answered(Reply),
    /// No daemon runs on this data directory.
    NobodyThere,
}

/// Asks the daemon of a data directory.
///
/// # Errors
/// When a daemon is there but does not answer.
pub fn ask(dir: &Path, request: &Request) -> Result<Asked, String> {
    let path = dir.join(SOCKET);
    let stream = match UnixStream::connect(short(&path).map_err(|e| e.to_string())?) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(Asked::NobodyThere);
        }
        Err(e) => return Err(format!("{}: {e}", path.display())),
    };
    exchange(stream, request).map(Asked::Answered).map_err(|e| format!("{}: {e}", path.display()))
}

fn exchange(mut stream: UnixStream, request: &Request) -> std::io::Result<Reply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}
