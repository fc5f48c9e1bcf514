//! TLS for connections that we open ourselves: one provider of cryptography, files that are read anew when they change,
//! and plain words for what goes wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The files of a client, all PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key, for servers that ask who we are.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{key}: {} {why}", file.display())]
    File {
        /// The key of the settings that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The rest.
    #[error("TLS cannot be set up: {0}")]
    Other(String),
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(&self) -> Result<ClientConfig, TlsError> {
        let other = |e: rustls::Error| TlsError::Other(e.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(other)?;
        let builder = match &self.ca_file {
            Some(file) => builder.with_root_certificates(authorities(file)?),
            None => builder.with_platform_verifier().map_err(other)?,
        };
        let Some((cert_file, key_file)) = &self.own else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates("cert_file", cert_file)?;
        let wrong = |why: String| TlsError::File { key: "key_file", file: key_file.clone(), why };
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| match error {
            rustls::pki_types::pem::Error::Io(error) => wrong(format!("cannot be read: {error}")),
            _ => wrong("holds no private key; it must be PEM, without a passphrase".to_owned()),
        })?;
        builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                wrong(format!("is not the key of the certificate in {}", cert_file.display()))
            }
            error => wrong(format!("cannot be used: {error}")),
        })
    }

    /// When each was written last, and how long it is.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let own = self.own.iter().flat_map(|(cert, key)| [cert, key]);
        let stamp = |file: &PathBuf| {
            let data = std::fs::metadata(file).ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        self.ca_file.iter().chain(own).map(stamp).collect()
    }
}

/// The authorities in a file.
///
/// # Errors
/// When it cannot be read or holds none.
pub fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", file)? {
        let why = |e: rustls::Error| format!("holds a certificate that cannot be used: {e}");
        roots.add(certificate).map_err(|e| TlsError::File {
            key: "ca_file",
            file: file.to_owned(),
            why: why(e),
        })?;
    }
    Ok(roots)
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |why: String| TlsError::File { key, file: file.to_owned(), why };
    let cannot = |error: rustls::pki_types::pem::Error| match error {
        rustls::pki_types::pem::Error::Io(error) => wrong(format!("cannot be read: {error}")),
        error => wrong(format!("is not PEM: {error}")),
    };
    let found = CertificateDer::pem_file_iter(file).map_err(cannot)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    if found.is_empty() {
        return Err(wrong("holds no certificate; it must be PEM".to_owned()));
    }
    Ok(found)
}

/// A client that reads its files again when they changed: a renewed certificate needs no restart, and sessions are
/// resumed as long as nothing did.
#[derive(Debug, Default)]
pub struct Client {
    files: Files,
    ready: Mutex<Option<Ready>>,
}

#[derive(Debug)]
struct Ready {
    stamps: Vec<Option<(SystemTime, u64)>>,
    config: Arc<ClientConfig>,
}

impl Client {
    /// A client with these files; nothing is read yet.
    #[must_use]
    pub const fn new(files: Files) -> Self {
        Self { files, ready: Mutex::new(None) }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let stamps = self.files.stamps();
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = ready.as_ref().filter(|ready| ready.stamps == stamps) {
            return Ok(Arc::clone(&ready.config));
        }
        let config = Arc::new(self.files.read()?);
        *ready = Some(Ready { stamps, config: Arc::clone(&config) });
        Ok(config)
    }

    /// Speaks TLS on a stream to the server of this name.
    ///
    /// # Errors
    /// When the files cannot be used, or the two do not agree; the sentence says why.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        name: &str,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(self.config().map_err(io::Error::other)?);
        connector.connect(name, stream).await.map_err(|e| why(&e).map_or(e, io::Error::other))
    }
}

/// Whether a certificate can be asked for under this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// What a failure of TLS means, for people; `None`: it is no failure of TLS.
#[must_use]
pub fn why(error: &io::Error) -> Option<String> {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
    Some(match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        // An authority that was made anew has the name of the old one, and another key.
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is signed by no authority that we trust".to_owned()
        }
        InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            format!("its certificate is for {names}, not for {}", expected.to_str())
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet".to_owned()
        }
        InvalidCertificate(other) => format!("its certificate cannot be used: {other}"),
        AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a certificate of ours (cert_file, key_file)".to_owned()
        }
        AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::DecryptError
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied),
        ) => format!("it does not accept our certificate: {alert:?}"),
        InvalidMessage(_) => "what it says is not TLS".to_owned(),
        other => format!("TLS: {other}"),
    })
}

/// A name without the kind that the crate writes around it, as in `DnsName("plc.hospital")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(files: &Files) -> String {
        files.read().map(drop).map_err(|e| e.to_string()).unwrap_err()
    }

    #[test]
    fn says_which_file_is_wrong_and_how() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.pem");
        let files = Files { ca_file: Some(path.clone()), own: None };
        assert!(
            said(&files).starts_with(&format!("ca_file: {} cannot be read: No such file", path.display()))
        );
        std::fs::write(&path, "nothing").unwrap();
        assert_eq!(said(&files), format!("ca_file: {} holds no certificate; it must be PEM", path.display()));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(said(&files).contains("holds a certificate that cannot be used"), "{}", said(&files));
        let own = Files { ca_file: None, own: Some((path.clone(), dir.path().join("key.pem"))) };
        assert!(
            said(&own).starts_with("key_file: ") && said(&own).contains("cannot be read"),
            "{}",
            said(&own)
        );
        std::fs::write(dir.path().join("key.pem"), "nothing").unwrap();
        assert!(said(&own).contains("holds no private key"), "{}", said(&own));
    }

    #[test]
    fn a_wrong_name_is_told_in_plain_words() {
        let context = |presented: Vec<String>| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("plc.hospital").unwrap(),
            presented,
        };
        let said = |presented| {
            let error = io::Error::other(rustls::Error::InvalidCertificate(context(presented)));
            why(&error).unwrap()
        };
        let presented = vec!["DnsName(\"a.b\")".to_owned(), "IpAddress(10.0.0.7)".to_owned()];
        assert_eq!(said(presented), "its certificate is for a.b, 10.0.0.7, not for plc.hospital");
        assert_eq!(said(Vec::new()), "its certificate is for nobody, not for plc.hospital");
        assert_eq!(why(&io::Error::other("else")), None);
    }

    #[test]
    fn names_and_numbers_can_be_asked_for() {
        assert!(["plc.hospital", "localhost", "10.0.0.7", "::1"].iter().all(|name| is_name(name)));
        assert!(["", "a b", "plc:802"].iter().all(|name| !is_name(name)));
    }
}
