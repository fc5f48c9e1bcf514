//! The connection of a link, kept in a state in which no old answer can be taken for a new one.

use std::collections::HashMap;
use std::time::Duration;

use super::config::LinkConfig;
use super::plan::Ask;
use super::wire::{Answer, Call, Framing, Line, Suspects, Trouble};

/// An answer that is so late that nobody waits for it any more, in the patience of a request.
const FORGOTTEN: u32 = 20;
/// And at least this late.
const FORGOTTEN_AT_LEAST: Duration = Duration::from_secs(10);

/// What went wrong, by what must follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No usable answer. The connection was dropped, or its line waits until it is silent.
    Silent(String),
    /// The unit does not take part at present; the connection is sound.
    Unit(String),
}

/// The connection, if there is one, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Bus {
    line: Option<Line>,
    /// Which endpoint is in use.
    endpoint: usize,
    /// Errors since the last good answer.
    errors: usize,
    /// Grows with each connection, so that the records of two can be told apart.
    pub number: u32,
    /// The line must fall silent before it is used.
    unquiet: bool,
    suspects: HashMap<u8, Suspects>,
}

impl Bus {
    /// Whether a line is open.
    pub(super) const fn is_open(&self) -> bool {
        self.line.is_some()
    }

    /// The endpoint in use.
    pub(super) const fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// Opens a line to the first endpoint that can be reached, beginning with the one in use.
    ///
    /// # Errors
    /// What each said.
    pub(super) async fn open(&mut self, config: &LinkConfig) -> Result<(), String> {
        let mut said = Vec::new();
        for _ in 0..config.endpoints.len() {
            let endpoint = &config.endpoints[self.endpoint % config.endpoints.len()];
            let patience = config.timeout.max(endpoint.patience);
            match tokio::time::timeout(patience, endpoint.dial.dial()).await {
                Ok(Ok(stream)) => {
                    self.number = self.number.wrapping_add(1);
                    // Two connections that follow each other share no transaction numbers for a long time.
                    let first = u16::try_from(self.number.wrapping_mul(7_919) & 0xFFFF).unwrap_or(0);
                    self.line = Some(Line::new(stream, endpoint.framing, first));
                    // What a process before this one asked may still be answered.
                    self.unquiet |= endpoint.framing == Framing::Rtu;
                    pause(config.connect_delay).await;
                    return Ok(());
                }
                Ok(Err(error)) => said.push(format!("{}: {error}", endpoint.name)),
                Err(_) => said.push(format!("{} does not answer", endpoint.name)),
            }
            self.endpoint = (self.endpoint + 1) % config.endpoints.len();
        }
        Err(said.join("; "))
    }

    /// Asks a unit; gives the data that came, or the exception code.
    pub(super) async fn read(
        &mut self,
        config: &LinkConfig,
        unit: u8,
        ask: Ask,
        all: &[Ask],
        now: impl Fn() -> u64,
    ) -> Result<Result<Vec<u8>, u8>, Failure> {
        self.prove(config, unit, all, &now).await?;
        let call = Call::Read { table: ask.table, start: ask.start, count: ask.count };
        match self.ask(config, unit, &call, &now).await? {
            Answer::Data(data) => Ok(Ok(data)),
            Answer::Done => Err(Failure::Silent("a read was answered like a write".to_owned())),
            Answer::Refused(code @ 1..=3) => Ok(Err(code)),
            Answer::Refused(code) => {
                let meaning = tokio_modbus::ExceptionCode::new(code);
                Err(Failure::Unit(format!("it answers with exception {code}: {meaning}")))
            }
        }
    }

    /// Has a unit written to, once. An answer that does not come leaves open whether it was.
    pub(super) async fn write(
        &mut self,
        config: &LinkConfig,
        unit: u8,
        call: &Call,
        now: impl Fn() -> u64,
    ) -> Result<Answer, Failure> {
        self.prove(config, unit, &[], &now).await?;
        self.ask(config, unit, call, &now).await
    }

    /// Makes sure that no answer of this unit is still on its way.
    async fn prove(
        &mut self,
        config: &LinkConfig,
        unit: u8,
        all: &[Ask],
        now: &impl Fn() -> u64,
    ) -> Result<(), Failure> {
        let Some(suspects) = self.suspects.get_mut(&unit) else { return Ok(()) };
        let forgotten = (config.timeout * FORGOTTEN).max(FORGOTTEN_AT_LEAST);
        suspects.forget(now(), u64::try_from(forgotten.as_millis()).unwrap_or(u64::MAX));
        if !suspects.any() {
            return Ok(());
        }
        let Some(proof) = suspects.proof(all) else {
            return Err(Failure::Unit("a late answer may still come; waiting until it is over".to_owned()));
        };
        let answer = self.ask(config, unit, &proof.call, now).await?;
        let suspects = self.suspects.entry(unit).or_default();
        match answer {
            Answer::Refused(_) if !proof.exception => {
                suspects.add(&proof.call, now());
                Err(Failure::Unit("it did not prove that no late answer is on its way".to_owned()))
            }
            _ => {
                suspects.clear();
                pause(self.gap(config)).await;
                Ok(())
            }
        }
    }

    async fn ask(
        &mut self,
        config: &LinkConfig,
        unit: u8,
        call: &Call,
        now: &impl Fn() -> u64,
    ) -> Result<Answer, Failure> {
        let mut answer = self.ask_once(config, unit, call).await;
        // Some devices close a connection that was idle, or after each answer. No late answer can come from a closed
        // TCP connection, and a read may be made twice.
        let read =
            matches!(call, Call::Read { .. }) && config.endpoints[self.endpoint].framing == Framing::Tcp;
        let closed = matches!(answer, Err(Trouble::Gone(_)));
        if matches!(answer, Err(Trouble::Ended(_))) || (read && closed) {
            self.line = None;
            self.open(config).await.map_err(Failure::Silent)?;
            answer = self.ask_once(config, unit, call).await;
        }
        match answer {
            Ok(answer) => {
                self.errors = 0;
                Ok(answer)
            }
            Err(trouble) => {
                // After an error what still comes is the answer to an old question.
                let endpoint = &config.endpoints[self.endpoint];
                let (asked, lost) =
                    (!matches!(trouble, Trouble::Ended(_)), !matches!(trouble, Trouble::Wrong(_)));
                let (Trouble::Ended(why) | Trouble::Gone(why) | Trouble::Wrong(why)) = trouble;
                if !endpoint.stays || lost {
                    self.line = None;
                }
                if asked && endpoint.framing == Framing::Rtu {
                    self.unquiet = true;
                    self.suspects.entry(unit).or_default().add(call, now());
                }
                self.errors += 1;
                if self.errors >= config.devices.len().max(3) * 2 && config.endpoints.len() > 1 {
                    // It takes connections but nobody answers: the other way may be better.
                    self.errors = 0;
                    self.line = None;
                    self.endpoint = (self.endpoint + 1) % config.endpoints.len();
                }
                Err(Failure::Silent(why))
            }
        }
    }

    /// Asks on the line as it is.
    async fn ask_once(&mut self, config: &LinkConfig, unit: u8, call: &Call) -> Result<Answer, Trouble> {
        let Some(line) = self.line.as_mut() else {
            return Err(Trouble::Ended("there is no connection".to_owned()));
        };
        if self.unquiet {
            let silence = config.late.max(config.endpoints[self.endpoint].silence);
            line.quiet(silence).await.map_err(|trouble| match trouble {
                Trouble::Ended(why) | Trouble::Gone(why) => Trouble::Ended(why),
                // It never falls silent: another line may.
                Trouble::Wrong(why) => Trouble::Gone(why),
            })?;
            self.unquiet = false;
        }
        line.ask(unit, call, config.timeout).await
    }

    /// The pause between two requests.
    pub(super) fn gap(&self, config: &LinkConfig) -> Duration {
        config.gap.max(config.endpoints[self.endpoint].silence)
    }
}

/// Sleeps; not at all for nothing, since a timer has a grain of a millisecond.
pub(super) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}
