//! Codecs that vendors write in JavaScript: `decodeUplink(input)` as ChirpStack v4 and The Things Stack call it,
//! `Decode(fPort, bytes, variables)` of ChirpStack v3, `Decoder(bytes, port)` of The Things Network v2.
//!
//! A decode is a function of its input: every call begins with a new world, in which the clock stands at the time
//! of receipt, the zone is UTC, and there is neither chance nor anything of the host. So is its end: what is
//! counted are jumps back and calls, not milliseconds, and a replay decides the same as the first time.

mod engine;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::document::CodecError;
use crate::time::Timestamp;

/// A script may be so long.
pub const MOST_SCRIPT_BYTES: usize = 256 << 10;
/// Counted steps (jumps back and calls) after which a script is ended. A loop of short lines takes 20 to 25 ms for
/// them on the machine of the benchmarks.
pub const MOST_STEPS: u32 = 500_000;
/// Memory of one call, with everything that JavaScript itself needs.
pub const MOST_MEMORY: usize = 8 << 20;

/// A vendor's script, known to be readable.
#[derive(Debug, Clone)]
pub struct Script {
    text: String,
    /// What the site says to it, a JSON object.
    variables: String,
}

/// What a script makes of a command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Encoded {
    /// The bytes that the device gets.
    pub bytes: Vec<u8>,
    /// The LoRaWAN port that they go to.
    pub port: Option<u8>,
}

impl Script {
    /// Reads a script. `variables` are what the site tells it, by name.
    ///
    /// # Errors
    /// When it is too long, cannot be read, fails on its own, or has no function that decodes.
    pub fn new(text: &str, variables: &[(String, String)]) -> Result<Self, CodecError> {
        if text.len() > MOST_SCRIPT_BYTES {
            return Err(CodecError::whole(format!(
                "the script has {} bytes; at most {MOST_SCRIPT_BYTES} are read",
                text.len()
            )));
        }
        let variables: serde_json::Map<String, serde_json::Value> =
            variables.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let script =
            Self { text: text.to_owned(), variables: serde_json::Value::Object(variables).to_string() };
        let decodes = "[typeof decodeUplink, typeof Decode, typeof Decoder, typeof module.exports.decodeUplink]\
                       .includes('function') ? 'yes' : 'no'";
        match engine::run(&script.text, Timestamp(0), decodes)?.as_str() {
            "yes" => Ok(script),
            _ => Err(CodecError::whole(
                "the script has no function decodeUplink(input), Decode(fPort, bytes) or Decoder(bytes, port)",
            )),
        }
    }

    /// Writes what the script makes of a payload as one JSON document.
    ///
    /// # Errors
    /// When it fails, reports an error or gives nothing.
    pub fn decode(
        &self,
        payload: &[u8],
        port: Option<u8>,
        received_at: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let bytes: Vec<String> = payload.iter().map(u8::to_string).collect();
        let input = format!("verb:'decode',bytes:[{}]", bytes.join(","));
        out.extend_from_slice(self.call(&input, port, received_at)?.as_bytes());
        Ok(())
    }

    /// The bytes that the script makes of a command, a JSON value.
    ///
    /// # Errors
    /// When it fails, reports an error, gives nothing or has no function for it.
    pub fn encode(
        &self,
        data: &serde_json::Value,
        port: Option<u8>,
        now: Timestamp,
    ) -> Result<Encoded, CodecError> {
        let text = self.call(&format!("verb:'encode',data:{data}"), port, now)?;
        serde_json::from_str(&text)
            .map_err(|error| CodecError::whole(format!("the script gives no bytes: {error}")))
    }

    fn call(&self, input: &str, port: Option<u8>, now: Timestamp) -> Result<String, CodecError> {
        let port = port.map_or_else(|| "undefined".to_owned(), |port| port.to_string());
        let call = format!("({})({{{input},port:{port},variables:{}}})", engine::CALL, self.variables);
        let said = engine::run(&self.text, now, &call)?;
        match said.split_at_checked(1) {
            Some(("=", document)) if document.len() <= super::document::MOST_BYTES => Ok(document.to_owned()),
            Some(("=", _)) => Err(CodecError::whole(format!(
                "more than {} bytes or {} levels come of it",
                super::document::MOST_BYTES,
                super::document::MOST_DEPTH
            ))),
            Some(("!", reported)) => {
                Err(CodecError::whole(format!("the script reports: {}", engine::short(reported))))
            }
            Some(("?", _)) => Err(CodecError::whole("the script has no such function")),
            _ => Err(CodecError::whole("the script gives no data")),
        }
    }
}

/// Reads a text that is a JavaScript value (JSON with comments, bare keys, hexadecimal numbers) and gives it as JSON.
///
/// # Errors
/// When it is none.
pub fn literal(text: &str) -> Result<String, CodecError> {
    engine::run("", Timestamp(0), &format!("JSON.stringify((\n{text}\n)) ?? 'null'"))
}
