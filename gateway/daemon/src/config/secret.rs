//! Secrets: only from files or systemd credentials, never from the settings themselves.

use std::fmt;
use std::path::{Path, PathBuf};

/// A secret that cannot be printed by mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret that was made or read elsewhere.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself; for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where secrets are looked for.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `$CREDENTIALS_DIRECTORY`, set by systemd for `LoadCredential=`.
    pub directory: Option<PathBuf>,
}

impl Credentials {
    /// Reads the secret that a `*_file` key names: a bare name is looked for among the systemd
    /// credentials first. White space at the end is not part of the secret.
    ///
    /// # Errors
    /// When the file cannot be read or is empty; the sentence names the file.
    pub fn read(&self, file: &Path) -> Result<Secret, String> {
        let path = self.find(file);
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        match text.trim_end() {
            "" => Err(format!("{} is empty", path.display())),
            secret => Ok(Secret(secret.to_owned())),
        }
    }

    fn find(&self, file: &Path) -> PathBuf {
        let bare = file.components().count() == 1 && file.is_relative();
        match &self.directory {
            Some(directory) if bare && directory.join(file).exists() => directory.join(file),
            _ => file.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_credential_first_and_nothing_prints_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("vm-token"), "s3cret\n").unwrap();
        std::fs::write(dir.path().join("void"), " \n").unwrap();
        let credentials = Credentials { directory: Some(dir.path().to_owned()) };

        let secret = credentials.read(Path::new("vm-token")).unwrap();
        assert_eq!(secret.reveal(), "s3cret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert!(credentials.read(Path::new("void")).unwrap_err().ends_with("void is empty"));
        assert!(credentials.read(Path::new("/no/such")).unwrap_err().starts_with("cannot read /no/such"));
    }
}
