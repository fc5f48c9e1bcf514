//! Secrets: only from files or systemd credentials, never from the settings themselves.

use std::collections::BTreeMap;
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
    /// The environment, for keys that name a variable.
    pub variables: BTreeMap<String, Secret>,
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

    /// The secret in the environment variable that a `*_env` key names.
    ///
    /// # Errors
    /// When there is none, or nothing in it.
    pub fn variable(&self, name: &str) -> Result<Secret, String> {
        match self.variables.get(name).map(|secret| secret.reveal().trim()) {
            None | Some("") => Err(format!("the environment has no {name}")),
            Some(secret) => Ok(Secret(secret.to_owned())),
        }
    }

    /// Where a file that may be a systemd credential is.
    #[must_use]
    pub fn find(&self, file: &Path) -> PathBuf {
        let bare = file.components().count() == 1 && file.is_relative();
        match &self.directory {
            Some(directory) if bare && directory.join(file).exists() => directory.join(file),
            _ => file.to_owned(),
        }
    }
}

/// Whether a key of this name would hold a secret itself, where only the name of a file may stand.
pub(super) fn is_secret(key: &str) -> bool {
    ["password", "token", "secret"].iter().any(|name| key.ends_with(name))
}

/// The text as it may be printed: whatever follows `password =` and the like is blank up to the end of its value. All
/// other places keep their offsets.
pub(super) fn blanked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, value) = rest.split_at(equals + 1);
        shown.push_str(before);
        let key = before[..equals].trim_end_matches([' ', '\t', '"', '\'']).to_ascii_lowercase();
        let length = if is_secret(&key) { length_of(value) } else { 0 };
        let (secret, after) = value.split_at(length);
        let mark = if secret.find('\n').unwrap_or(length) > MARK.len() { MARK } else { "" };
        shown.push_str(mark);
        shown.extend(secret.bytes().skip(mark.len()).map(|b| if b == b'\n' { '\n' } else { ' ' }));
        rest = after;
    }
    shown + rest
}

/// What stands for a secret.
const MARK: &str = " …";

/// How many bytes a value takes: to the end of its line, or of a text of several lines.
fn length_of(value: &str) -> usize {
    let start = value.len() - value.trim_start_matches([' ', '\t']).len();
    for quotes in ["\"\"\"", "'''"] {
        if let Some(text) = value[start..].strip_prefix(quotes) {
            let to = text.find(quotes).map_or(text.len(), |at| at + quotes.len());
            return start + quotes.len() + to;
        }
    }
    value.find('\n').unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_credential_first_and_nothing_prints_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("vm-token"), "s3cret\n").unwrap();
        std::fs::write(dir.path().join("void"), " \n").unwrap();
        let variables = BTreeMap::from([
            ("CLOUD".to_owned(), Secret::new("k3y\n".to_owned())),
            ("EMPTY".to_owned(), Secret::new(String::new())),
        ]);
        let credentials = Credentials { directory: Some(dir.path().to_owned()), variables };
        assert_eq!(credentials.variable("CLOUD").unwrap().reveal(), "k3y");
        assert!(credentials.variable("EMPTY").is_err() && credentials.variable("NONE").is_err());
        assert!(!format!("{credentials:?}").contains("k3y"));

        let secret = credentials.read(Path::new("vm-token")).unwrap();
        assert_eq!(secret.reveal(), "s3cret");
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert!(credentials.read(Path::new("void")).unwrap_err().ends_with("void is empty"));
        assert!(credentials.read(Path::new("/no/such")).unwrap_err().starts_with("cannot read /no/such"));
    }

    #[test]
    fn no_secret_is_left_in_a_text_that_is_printed_and_no_place_moves() {
        let secret = "hünter2";
        for text in [
            format!("[a]\npassword = \"{secret}\"\nnext = 1\n"),
            format!("[a]\nx.token=\"{secret}\"\nnext = 1\n"),
            format!("[a]\n\"secret\" = \"{secret}\nnext = 1\n"),
            format!("a = {{ password = \"{secret}\", other = 2 }}\nnext = 1\n"),
            format!("PASSWORD = '{secret}'\nnext = 1\n"),
            format!("token = \"\"\"\n{secret}\n\"\"\"\nnext = 1\n"),
            format!("url = \"http://store/?token={secret}\"\nnext = 1\n"),
        ] {
            let shown = blanked(&text);
            assert!(!shown.contains(secret), "{shown}");
            assert_eq!(shown.len(), text.len());
            assert_eq!(shown.find("next"), text.find("next"));
        }
        for harmless in ["password_file = \"door\"\n", "a = 1\nb = \"x=y\"\n", "token =\n", "secret = 1"] {
            let shown = blanked(harmless);
            assert_eq!(shown.len(), harmless.len());
            assert!(harmless.starts_with("secret") || shown == harmless, "{shown}");
        }
    }
}
