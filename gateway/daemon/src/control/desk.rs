//! Carries out what is asked, over the socket or under the lock: one and the same way.

use std::sync::Arc;

use orderly_core::ids::ActorId;
use orderly_core::record::{Action, Order};
use orderly_core::time::Clock;
use orderly_store::keys::KeyRing;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::protocol::{Reply, Request};
use super::secret::DeviceSecret;
use crate::api::dto;
use crate::catalog::Catalog;
use crate::pipeline::StateFile;
use crate::runtime::claims::{Asked, Claims};
use crate::runtime::orders::OrderDesk;
use crate::runtime::strangers;

/// The actor of everything that is done at the box itself; people get names of their own with accounts.
const LOCAL: &str = "local-admin";

/// Where requests are carried out.
#[derive(Clone)]
pub struct Desk {
    /// Takes orders.
    pub orders: OrderDesk,
    /// What is committed.
    pub state: StateFile,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    /// The keys of the days.
    pub keys: Arc<KeyRing>,
    /// Counts wrong claim codes.
    pub claims: Arc<Claims>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// How the daemon is.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
    /// Ends the daemon.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// Carries one request out.
    pub async fn carry_out(&self, request: Request) -> Reply {
        match self.try_to(request).await {
            Ok(value) => Reply::Ok(value),
            Err(why) => Reply::Error(why),
        }
    }

    async fn try_to(&self, request: Request) -> Result<Value, String> {
        match request {
            Request::DeviceAdd { device, class, profile, zone, firmware, key } => {
                let made = DeviceSecret::make().map_err(|e| e.to_string())?;
                let name = device.to_string();
                let credential = Some(made.kept);
                let commissioned_at = None;
                let order = Order::RegisterDevice {
                    device,
                    class,
                    profile,
                    zone,
                    credential,
                    commissioned_at,
                    firmware,
                };
                self.order(order, key).await?;
                Ok(json!({ "device": name, "secret": made.secret.reveal() }))
            }
            Request::DeviceImport { lines, dry_run, key } => {
                let said = self.order(Order::ImportDevices { lines, dry_run }, key).await?;
                serde_json::from_str(&said).map_err(|e| e.to_string())
            }
            Request::RegistryChange { changes, key } => {
                let said = self.order(Order::ChangeRegistry { changes }, key).await?;
                serde_json::from_str(&said).map_err(|e| e.to_string())
            }
            Request::DeviceRevoke { device, key } => {
                let name = device.to_string();
                self.order(Order::RevokeDevice { device }, key).await?;
                Ok(json!({ "device": name, "revoked": true }))
            }
            Request::DeviceList => self.devices(),
            Request::Command { device, command, value, reason, key } => {
                let (grant, nonce) = (None, String::new());
                let order = Order::CommandDevice { device, command, value, reason, grant, nonce };
                serde_json::from_str(&self.order(order, key).await?).map_err(|e| e.to_string())
            }
            Request::CommandState { id } => {
                let found = self.state.reader()?.command(&id).map_err(|e| e.to_string())?;
                let command = found.ok_or_else(|| format!("there is no command {id:?}"))?;
                let over = !command.state.is_open();
                Ok(json!({ "id": id, "state": command.state, "why": command.why, "over": over }))
            }
            Request::DeviceUnknown => {
                let (state, profiles) = (self.state.reader()?, self.catalog.now());
                let found = strangers::strangers(&state, &profiles.profiles, &self.keys)?;
                let found: Vec<dto::Stranger> = found.iter().map(Into::into).collect();
                Ok(json!({ "devices": found }))
            }
            Request::DeviceAdopt { device, profile, zone, key } => {
                let (state, profiles) = (self.state.reader()?, self.catalog.now());
                let (profiles, profile) = (&profiles.profiles, profile.as_ref());
                let order = strangers::adoption(&state, profiles, &self.keys, &device, profile, zone)?;
                drop(state);
                serde_json::from_str(&self.order(order, key).await?).map_err(|e| e.to_string())
            }
            Request::DeviceClaim { code, device, profile, zone, key } => {
                let (state, profiles) = (self.state.reader()?, self.catalog.now());
                let asked = Asked { code, device, profile, zone };
                let order =
                    self.claims.order(&state, &profiles.profiles, &self.keys, self.clock.now(), asked);
                drop(state);
                let order = order.map_err(|refused| refused.why)?;
                serde_json::from_str(&self.order(order, key).await?).map_err(|e| e.to_string())
            }
            Request::Status => Ok((self.status)()),
            Request::Stop => {
                self.stop.cancel();
                Ok(json!({ "stopping": true }))
            }
        }
    }

    async fn order(&self, order: Order, idempotency_key: String) -> Result<String, String> {
        let actor = ActorId::new(LOCAL).map_err(|e| e.to_string())?;
        let action = Action { actor, happened_at: self.clock.now().wall, idempotency_key, order };
        self.orders.submit(&action).await.map_err(|e| e.to_string())?.result
    }

    fn devices(&self) -> Result<Value, String> {
        let rows = self.state.reader()?.devices().map_err(|e| e.to_string())?;
        let devices: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "device": row.device, "class": row.class, "profile": row.profile, "zone": row.zone,
                    "firmware": row.firmware,
                    "credential": row.credential.is_some(), "self_registered": row.self_registered,
                    "revoked": row.revoked,
                })
            })
            .collect();
        Ok(json!({ "devices": devices }))
    }
}
