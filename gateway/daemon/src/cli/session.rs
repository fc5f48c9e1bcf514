//! Orders of the command line: the running daemon carries them out, or this process under the lock when none runs.

use std::sync::Arc;

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::run::runtime;
use crate::catalog::Catalog;
use crate::config::Settings;
use crate::control::{Asked, Desk, Request, ask};
use crate::pipeline::StateFile;
use crate::runtime::clock::SystemClock;
use crate::runtime::core::{Core, Parts};
use crate::runtime::texts;

/// Several requests in a row to whoever has the data directory.
pub struct Session<'a> {
    settings: &'a Settings,
    /// This process has it.
    alone: Option<Alone>,
}

/// The durable part of the daemon without its doors.
struct Alone {
    runtime: Runtime,
    desk: Desk,
    /// `None` only while it ends.
    core: Option<Core>,
}

impl<'a> Session<'a> {
    /// A session on a data directory; nothing is asked yet.
    pub const fn new(settings: &'a Settings) -> Self {
        Self { settings, alone: None }
    }

    /// Has a request carried out.
    ///
    /// # Errors
    /// Why it was not.
    pub fn ask(&mut self, request: Request) -> Result<Value, Failure> {
        if self.alone.is_none() {
            match ask(&self.settings.data_dir, &request).map_err(Failure::Other)? {
                Asked::Answered(reply) => return reply.into_result().map_err(Failure::Other),
                Asked::NobodyThere => self.alone = Some(Alone::start(self.settings)?),
            }
        }
        let Some(Alone { runtime, desk, .. }) = &self.alone else {
            return Err(Failure::because("nobody carries it out"));
        };
        runtime.block_on(desk.carry_out(request)).into_result().map_err(Failure::Other)
    }
}

impl Alone {
    fn start(settings: &Settings) -> Result<Self, Failure> {
        let wanted = texts::gather(settings)?;
        let clock = Arc::new(SystemClock::start().map_err(Failure::because)?);
        let register = Arc::default();
        let parts = Parts { clock: clock.clone(), register, observe: Box::new(|_| Vec::new()), state: None };
        let core = Core::start(settings, parts)?;
        let desk = Desk {
            orders: core.orders.clone(),
            state: StateFile(core.dir.clone()),
            catalog: Arc::new(Catalog::new(wanted.all_profiles())),
            keys: Arc::clone(&core.keys),
            claims: Arc::default(),
            clock,
            status: Arc::new(|| Value::Null),
            stop: CancellationToken::new(),
        };
        let alone = Self { runtime: runtime()?, desk, core: Some(core) };
        let Some(core) = &alone.core else { return Ok(alone) };
        alone.runtime.block_on(async {
            core.caught_up().await?;
            // A device needs its profile, which a first start brings into force.
            texts::bring_into_force(core, &wanted).await
        })?;
        Ok(alone)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            core.stop();
        }
    }
}
