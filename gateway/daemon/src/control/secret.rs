//! Device secrets: made here, shown once, kept as salted SHA-256 (DESIGN 7.15).

use std::io;

use orderly_core::record::Credential;
use sha2::{Digest, Sha256};

use crate::config::Secret;
use crate::runtime::random;

/// A new secret of 128 random bits and the form in which it is kept.
#[derive(Debug, Clone)]
pub struct DeviceSecret {
    /// 32 hex digits, for the device and nobody else.
    pub secret: Secret,
    /// What is journalled.
    pub kept: Credential,
}

impl DeviceSecret {
    /// Makes one.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn make() -> io::Result<Self> {
        let text = format!("{:032x}", u128::from_be_bytes(random::bytes()?));
        let salt: [u8; 16] = random::bytes()?;
        let kept = Credential { salt: salt.to_vec(), sha256: hashed(&salt, text.as_bytes()) };
        Ok(Self { secret: Secret::new(text), kept })
    }
}

/// Whether a secret is the one that is kept. Takes the same time wherever they differ.
#[must_use]
pub fn matches(kept: &Credential, secret: &[u8]) -> bool {
    let hash = hashed(&kept.salt, secret);
    let differ = hash.iter().zip(&kept.sha256).fold(0, |all, (a, b)| all | (a ^ b));
    hash.len() == kept.sha256.len() && differ == 0
}

fn hashed(salt: &[u8], secret: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(salt).chain_update(secret).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_fits_what_is_kept_of_it_and_no_other_does() {
        let (a, b) = (DeviceSecret::make().unwrap(), DeviceSecret::make().unwrap());
        assert_eq!(a.secret.reveal().len(), 32);
        assert!(matches(&a.kept, a.secret.reveal().as_bytes()));
        assert!(!matches(&a.kept, b.secret.reveal().as_bytes()) && !matches(&a.kept, b""));
        assert!(!a.kept.sha256.windows(16).any(|w| w == &a.secret.reveal().as_bytes()[..16]));
    }
}
