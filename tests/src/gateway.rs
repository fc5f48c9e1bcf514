//! The real `orderly` binary as a child process: started, asked, killed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

/// How long a start or a stop may take before a test gives up; a bound against hanging, not a figure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the binary under test is: beside the test binary's own folder.
///
/// # Errors
/// When it was not built (`cargo build --workspace`).
pub fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let built =
        own.parent().and_then(Path::parent).context("test binary has no target folder")?.join("orderly");
    if !built.is_file() {
        bail!("{} is missing: run `cargo build --workspace` first", built.display());
    }
    Ok(built)
}

/// A TCP port that was free a moment ago.
///
/// # Errors
/// When loopback has no free port.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A configured gateway on a data directory of its own; it may be started, killed and started again.
#[derive(Debug)]
pub struct Site {
    dir: PathBuf,
    /// Port of the HTTP doors and the API.
    pub http: u16,
    /// Port of the own MQTT listener.
    pub mqtt: u16,
}

impl Site {
    /// Writes a configuration into `dir`; `more` is appended to it.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn new(dir: &Path, more: &str) -> anyhow::Result<Self> {
        // Both are held at once, or they may be the same one.
        let held = [TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?];
        let [http, mqtt] = [held[0].local_addr()?.port(), held[1].local_addr()?.port()];
        let site = Self { dir: dir.to_owned(), http, mqtt };
        site.configure(more)?;
        Ok(site)
    }

    /// Writes the configuration again, with other additions.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn configure(&self, more: &str) -> anyhow::Result<()> {
        let text = format!(
            "site = \"main\"\ndata_dir = {:?}\n\n[listener]\nbind = \"127.0.0.1:{}\"\n\n[http]\nbind = \"127.0.0.1:{}\"\n\n{more}\n",
            self.data_dir(),
            self.mqtt,
            self.http
        );
        fs::write(self.config_file(), text)?;
        Ok(())
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("orderly.toml")
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What the daemon printed in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("orderly.log")).unwrap_or_default()
    }

    /// Starts the daemon and waits until it says READY=1 on its notify socket.
    ///
    /// # Errors
    /// When it ends before, or says nothing; the log is in the error.
    pub fn start(&self) -> anyhow::Result<Gateway> {
        self.start_under(&mut Command::new(binary()?))
    }

    /// Starts the daemon under another command (`strace`, a preload environment): `command` is completed with
    /// the daemon's arguments.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub fn start_under(&self, command: &mut Command) -> anyhow::Result<Gateway> {
        let socket = self.dir.join("notify.sock");
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let notify = UnixDatagram::bind(&socket)?;
        notify.set_read_timeout(Some(Duration::from_millis(100)))?;
        let log = File::options().create(true).append(true).open(self.dir.join("orderly.log"))?;
        let child = command
            .arg("run")
            .arg("--config")
            .arg(self.config_file())
            .env("NOTIFY_SOCKET", &socket)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the orderly binary cannot be started")?;
        let mut gateway = Gateway { child, notify };
        gateway.wait_ready().with_context(|| format!("not ready; its log:\n{}", tail(&self.log())))?;
        Ok(gateway)
    }

    /// Puts a device on the register with `orderly device add`; works with and without a running daemon.
    ///
    /// # Errors
    /// When the command says no.
    pub fn add_device(&self, device: &str, class: &str) -> anyhow::Result<String> {
        let output = Command::new(binary()?)
            .args(["device", "add", device, "--class", class, "--config"])
            .arg(self.config_file())
            .output()?;
        if !output.status.success() {
            bail!("device add {device}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Address of an API path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// Asks the API for JSON.
    ///
    /// # Errors
    /// When there is no answer, or one that is not 2xx or not JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let response = client()?.get(self.url(path)).send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{path} answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }
}

/// An HTTP client without proxies, with a bound on each request.
///
/// # Errors
/// When no client can be built.
pub fn client() -> anyhow::Result<reqwest::Client> {
    // A second call finds the provider installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    Ok(reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?)
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// One life of the daemon; dropped, it is killed.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    notify: UnixDatagram,
}

impl Gateway {
    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let rounds = PATIENCE.as_millis() / 100;
        let mut buffer = [0u8; 4096];
        for _ in 0..rounds {
            if let Ok(n) = self.notify.recv(&mut buffer)
                && String::from_utf8_lossy(&buffer[..n]).lines().any(|line| line == "READY=1")
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
        }
        bail!("no READY=1 within {PATIENCE:?}")
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it on the spot, as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(self) -> anyhow::Result<ExitStatus> {
        signal(self.child.id(), "TERM")?;
        self.wait()
    }

    /// Waits for its end, which somebody else has ordered.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait(mut self) -> anyhow::Result<ExitStatus> {
        self.notify.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut buffer = [0u8; 4096];
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // Waits for its farewell or a short while, whichever comes first.
            drop(self.notify.recv(&mut buffer));
        }
        bail!("it did not stop within {PATIENCE:?}")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process that the test started.
///
/// # Errors
/// When `kill` says no.
pub fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
    if !status.success() {
        bail!("kill -{name} {pid} ended with {status}");
    }
    Ok(())
}
