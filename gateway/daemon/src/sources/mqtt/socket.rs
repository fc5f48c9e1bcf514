//! Reading without a buffer of its own, so that an idle connection holds none; and a decent farewell.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Most that is taken from a socket at a time.
const CHUNK: usize = 32 << 10;

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// Bytes, at least one.
    Some,
    /// The other side will send no more.
    End,
    /// Nothing was read: `may` said no.
    Held,
}

/// Reads once into `inbox`. The chunk stands on the stack of the thread and only while there is something to
/// read; `may` is asked each time before the socket is.
pub async fn fill<R: AsyncRead + Unpin>(
    reader: &mut R,
    inbox: &mut Vec<u8>,
    may: impl Fn() -> bool,
) -> io::Result<Filled> {
    poll_fn(|context| {
        if !may() {
            return Poll::Ready(Ok(Filled::Held));
        }
        let mut chunk = [const { MaybeUninit::<u8>::uninit() }; CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(&mut *reader).poll_read(context, &mut chunk))?;
        inbox.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(if chunk.filled().is_empty() { Filled::End } else { Filled::Some }))
    })
    .await
}

/// Says the last words and lets the other side read them: a socket closed with unread input would be reset, and
/// the reset overtakes what was just written.
pub async fn farewell<R, W>(reader: &mut R, writer: &mut W, words: &[u8])
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let say = async {
        writer.write_all(words).await?;
        writer.shutdown().await?;
        let mut rest = Vec::new();
        let mut patience = 64;
        while patience > 0 && fill(reader, &mut rest, || true).await? == Filled::Some {
            rest.clear();
            patience -= 1;
        }
        Ok::<(), io::Error>(())
    };
    // It is leaving either way; whether it listened is its own affair.
    drop(tokio::time::timeout(Duration::from_secs(1), say).await);
}
