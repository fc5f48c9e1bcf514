//! The files of `device-profiles/` that come with the program.

use rust_embed::RustEmbed;

/// Profiles and default rules, by their path below `device-profiles/`.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../device-profiles"]
pub(crate) struct BuiltIn;
