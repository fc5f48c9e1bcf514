//! Aims a kill at a transaction: stops the process just as it writes to its log, looks, and lets it go on when it
//! stands outside. A process that is killed while it is stopped dies at the instant of the stop.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::wal;

/// So often at most the process is stopped in vain.
const TRIES: usize = 400;
/// A log that nobody writes for so long is not waited for.
const QUIET: Duration = Duration::from_secs(10);

/// Stops a child of this process inside a transaction on the SQLite log `wal`; false when that never came about,
/// and then it runs on.
///
/// # Errors
/// When the child or its log cannot be watched.
pub fn stop_inside_a_commit(child: u32, wal: &Path) -> anyhow::Result<bool> {
    let child = Pid::from_raw(i32::try_from(child)?).context("no process id")?;
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, wal, WatchFlags::MODIFY)?;
    for _ in 0..TRIES {
        forget(&watch)?;
        if !written(&watch)? {
            return Ok(false);
        }
        kill_process(child, Signal::STOP)?;
        match waitpid(Some(child), WaitOptions::UNTRACED)? {
            Some((_, status)) if status.stopped() => {}
            other => bail!("it did not stop, but: {other:?}"),
        }
        if wal::frames_after_last_commit(wal)? > 0 {
            return Ok(true);
        }
        kill_process(child, Signal::CONT)?;
    }
    Ok(false)
}

/// Drops the writes that were told already.
fn forget(watch: &OwnedFd) -> anyhow::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(watch, &mut buffer) {
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Waits for the next write; false when none comes.
fn written(watch: &OwnedFd) -> anyhow::Result<bool> {
    let mut fds = [PollFd::new(watch, PollFlags::IN)];
    let quiet = Timespec { tv_sec: i64::try_from(QUIET.as_secs())?, tv_nsec: 0 };
    Ok(poll(&mut fds, Some(&quiet))? > 0)
}
