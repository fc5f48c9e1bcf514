//! People who wait for the answer to their order, keyed by the record of the order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use orderly_core::output::Answer;
use orderly_core::record::Seq;
use tokio::sync::oneshot;

/// Why an order got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The order was lost before it was durable; it is not carried out.
    #[error("the order was lost by a failed write and is not carried out")]
    Lost,
    /// The order is carried out, but its answer was lost with a failed commit.
    #[error("the order was carried out; the same idempotency key gives the answer")]
    Unknown,
    /// The daemon stops; the order may be carried out at the next start.
    #[error("the gateway is stopping; the same idempotency key finds out what became of the order")]
    Stopping,
}

type Waiting = HashMap<Seq, oneshot::Sender<Result<Answer, Unanswered>>>;

/// Those who wait.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Waiting>);

impl Answers {
    /// Appends an order and registers for its answer in one step, so that the answer cannot come in between.
    ///
    /// # Errors
    /// Those of `append`.
    pub fn register<E>(
        &self,
        append: impl FnOnce() -> Result<Seq, E>,
    ) -> Result<oneshot::Receiver<Result<Answer, Unanswered>>, E> {
        let mut waiting = self.lock();
        let seq = append()?;
        let (tell, told) = oneshot::channel();
        waiting.insert(seq, tell);
        Ok(told)
    }

    /// Gives answers to those who still wait for them.
    pub fn release(&self, answers: Vec<Answer>) {
        let mut waiting = self.lock();
        for answer in answers {
            if let Some(tell) = waiting.remove(&answer.seq) {
                // Somebody who went away asks again with the same idempotency key.
                drop(tell.send(Ok(answer)));
            }
        }
    }

    /// The records behind `durable` were lost by a failed write.
    pub fn lost(&self, durable: Seq) {
        let mut waiting = self.lock();
        let gone: Vec<Seq> = waiting.keys().copied().filter(|seq| *seq > durable).collect();
        for tell in gone.iter().filter_map(|seq| waiting.remove(seq)) {
            drop(tell.send(Err(Unanswered::Lost)));
        }
    }

    /// A commit that failed was written after all: orders up to `cursor` are carried out, their answers are lost.
    pub fn unknown(&self, cursor: Seq) {
        let mut waiting = self.lock();
        let done: Vec<Seq> = waiting.keys().copied().filter(|seq| *seq <= cursor).collect();
        for tell in done.iter().filter_map(|seq| waiting.remove(seq)) {
            drop(tell.send(Err(Unanswered::Unknown)));
        }
    }

    /// Nobody is answered any more.
    pub fn stop(&self) {
        for (_, tell) in self.lock().drain() {
            drop(tell.send(Err(Unanswered::Stopping)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_one_who_waits_hears_once_what_became_of_the_order() {
        let answers = Answers::default();
        let wait = |seq| answers.register(|| Ok::<_, ()>(seq)).unwrap();
        let (mut done, mut lost, mut last, mut unknown) = (wait(3), wait(7), wait(5), wait(2));
        assert!(answers.register(|| Err("closed")).is_err());

        answers.release(vec![
            Answer { seq: 3, result: Ok("{}".into()) },
            Answer { seq: 4, result: Ok("{}".into()) },
        ]);
        answers.lost(6);
        answers.unknown(4);
        answers.stop();
        assert_eq!(done.try_recv().unwrap().unwrap().seq, 3);
        assert_eq!(unknown.try_recv().unwrap(), Err(Unanswered::Unknown));
        assert_eq!(lost.try_recv().unwrap(), Err(Unanswered::Lost));
        assert_eq!(last.try_recv().unwrap(), Err(Unanswered::Stopping));
    }
}
