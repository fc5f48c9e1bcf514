//! Certificates of a hospital that signs its own, made by the openssl command.

use std::fs;
use std::path::Path;
use std::process::Command;

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// An authority of our own, and a certificate for `localhost` that it signed: `ca.pem`, `ca-key.pem`, `cert.pem`,
/// `key.pem`. `None` with a printed reason without openssl.
#[must_use]
pub fn make(dir: &Path) -> Option<()> {
    let authority = ["-subj", "/CN=Hospital authority", "-addext", "basicConstraints=critical,CA:TRUE"];
    let made = ["req", "-x509", "-days", "2", "-keyout", "ca-key.pem", "-out", "ca.pem"];
    openssl(dir, &[&made[..], &KEY, &authority].concat())?;
    sign(dir, "", "-days 2")
}

/// One more certificate for `localhost` of the authority that is there, valid for one day of the past: `old-cert.pem`,
/// `old-key.pem`.
#[must_use]
pub fn make_expired(dir: &Path) -> Option<()> {
    sign(dir, "old-", "-startdate 20200101000000Z -enddate 20200102000000Z")
}

fn sign(dir: &Path, prefix: &str, valid: &str) -> Option<()> {
    let asked = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    let (key, cert) = (format!("{prefix}key.pem"), format!("{prefix}cert.pem"));
    let request = ["req", "-new", "-keyout", &key, "-out", "request.pem"];
    openssl(dir, &[&request[..], &KEY, &asked].concat())?;
    let office = "[ca]\ndefault_ca = office\n[office]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n\
                  default_md = sha256\nunique_subject = no\npolicy = policy\ncopy_extensions = copy\n[policy]\n\
                  commonName = supplied\n";
    let written =
        fs::write(dir.join("office.cnf"), office).and_then(|()| fs::write(dir.join("index.txt"), ""));
    if let Err(error) = written {
        eprintln!("skipped: {}: {error}", dir.display());
        return None;
    }
    let by =
        ["ca", "-batch", "-notext", "-config", "office.cnf", "-cert", "ca.pem", "-keyfile", "ca-key.pem"];
    let what = ["-in", "request.pem", "-out", &cert];
    let valid: Vec<&str> = valid.split(' ').collect();
    openssl(dir, &[&by[..], &what, &valid].concat())
}

fn openssl(dir: &Path, arguments: &[&str]) -> Option<()> {
    match Command::new("openssl").args(arguments).current_dir(dir).output() {
        Ok(output) if output.status.success() => Some(()),
        other => {
            eprintln!("skipped: openssl made no certificate: {other:?}");
            None
        }
    }
}
