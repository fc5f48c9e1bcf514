//! Looking up the names of hosts. The system answers on a thread that cannot be called back; when nothing answers, a
//! thousand links must not take all threads from those who read the store.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Look-ups under way at a time.
const AT_ONCE: usize = 16;

/// Looks up names for many links. Cloned, it is the same one.
#[derive(Debug, Clone)]
pub struct Names(Arc<Semaphore>);

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Names {
    /// The addresses of a host with its port; numbers are not looked up.
    ///
    /// # Errors
    /// When the name is not known, or nobody could be asked.
    pub async fn look_up(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = address.parse() {
            return Ok(vec![address]);
        }
        let address = address.to_owned();
        self.ask(move || Ok(address.to_socket_addrs()?.collect())).await
    }

    /// Who asks and gives up waiting leaves the question under way: it goes on counting until it is over.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question();
            drop(permit);
            answer
        });
        asked.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn numbers_need_no_look_up_and_names_get_one() {
        let names = Names(Arc::new(Semaphore::new(0)));
        assert_eq!(names.look_up("10.0.0.7:502").await.unwrap(), ["10.0.0.7:502".parse().unwrap()]);
        assert_eq!(names.look_up("[::1]:502").await.unwrap(), ["[::1]:502".parse().unwrap()]);
        let found = Names::default().look_up("localhost:502").await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 502), "{found:?}");
    }

    #[tokio::test]
    async fn questions_that_nobody_answers_take_few_threads() {
        let (names, (begun, begins)) = (Names::default(), mpsc::sync_channel(AT_ONCE + 50));
        let mut ends = Vec::new();
        for n in 0..AT_ONCE + 50 {
            let (end, ended) = mpsc::sync_channel::<()>(1);
            ends.push(end);
            let begun = begun.clone();
            let question = move || {
                begun.send(n).map_err(io::Error::other)?;
                ended.recv().map_err(io::Error::other)?;
                Ok(())
            };
            // Each gives up at once, as a link does whose time is over.
            assert!(names.ask(question).now_or_never().is_none());
        }
        let mut seen: Vec<usize> = (0..AT_ONCE).map(|_| begins.recv().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..AT_ONCE).collect::<Vec<_>>());
        assert!(begins.try_recv().is_err(), "no other question was begun");
        assert_eq!(names.0.available_permits(), 0, "they count until they are over");
        drop(ends);
        assert_eq!(names.ask(|| Ok(7)).await.unwrap(), 7);
    }
}
