//! The HTTP face of the gateway: REST, server-sent events, OpenAPI, metrics, health and the boards.
//!
//! It only shows what was committed and hands orders on. It never imports a source or a sink, never writes
//! to a store and never decides anything; what it needs from the rest of the daemon are the small traits
//! [`Reads`], [`Orders`], [`Overview`] and [`Health`]. Until accounts exist it answers on loopback only.

mod alerts;
mod commands;
mod devices;
pub mod dto;
mod error;
mod events;
mod feed;
mod guard;
mod health;
mod inventory;
mod metrics;
mod older;
mod openapi;
mod orders;
mod params;
mod profiles;
mod quarantine;
mod readings;
mod reads;
mod registry;
mod router;
mod serve;
mod stage;
mod status;
mod strangers;
mod twins;
mod web;
mod worklist;

pub use error::ApiError;
pub use feed::{Feed, News};
pub use health::{Check, Health};
pub use older::{FromStore, OldHistory, OlderQuery};
pub use openapi::document;
pub use orders::{OrderError, Orders};
pub use reads::{
    AlertQuery, Bucket, Claim, ClaimRefused, DeviceQuery, DeviceView, QuarantineQuery, ReadError,
    ReadingQuery, Reads, Stranger, TaskQuery, TwinRule, TwinStream, TwinView, Unreadable,
};
pub use router::{Parts, paths, router};
pub use serve::{BindError, bind, serve};
pub use status::Overview;
