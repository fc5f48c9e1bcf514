//! The one place that writes to the terminal. A closed pipe is the reader's wish, not an error.

use std::io::Write;

/// A line for people or pipes.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()));
}

/// A line about something that went wrong.
pub fn error(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(out.write_all(text.trim_end().as_bytes()).and_then(|()| out.write_all(b"\n")));
}
