//! A webhook receiver that notes when the first notice about a device arrives.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::flood;

/// How long notices may be missing before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);

type Arrived = Arc<(Mutex<HashMap<String, Instant>>, Condvar)>;

/// The receiver.
#[derive(Debug)]
pub struct Hook {
    port: u16,
    arrived: Arrived,
}

impl Hook {
    /// Starts it.
    ///
    /// # Errors
    /// When loopback has no port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let hook = Self { port: listener.local_addr()?.port(), arrived: Arc::default() };
        let arrived = Arc::clone(&hook.arrived);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let arrived = Arc::clone(&arrived);
                thread::spawn(move || serve(&stream, &arrived));
            }
        });
        Ok(hook)
    }

    /// Its part of the gateway's configuration.
    pub fn config(&self) -> String {
        format!("\n[notify.duty]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{}/notices\"\n", self.port)
    }

    /// Sends a low pressure for each of so many new devices, with a pause between them; milliseconds from sending each to
    /// its first notice.
    ///
    /// # Errors
    /// When a notice does not come.
    pub fn crossings(
        &self,
        port: u16,
        names: &str,
        count: usize,
        pause: Duration,
    ) -> anyhow::Result<Vec<f64>> {
        let mut stream = flood::connect(port, names, None)?;
        let mut sent = Vec::new();
        for n in 0..count {
            thread::sleep(pause);
            let device = format!("{names}-{n:04}");
            let (topic, body) = flood::low_pressure(&device, flood::wall_ms());
            let mut packet = Vec::new();
            flood::publish(&mut packet, &topic, &body, n);
            sent.push((device, flood::now()));
            stream.write_all(&packet)?;
            // Its PUBACK: a full receive buffer must not stop the other side.
            stream.read_exact(&mut [0u8; 4])?;
        }
        let missing =
            |arrived: &mut HashMap<String, Instant>| sent.iter().any(|(d, _)| !arrived.contains_key(d));
        let arrived = self.arrived.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (arrived, _) = self
            .arrived
            .1
            .wait_timeout_while(arrived, PATIENCE, missing)
            .unwrap_or_else(PoisonError::into_inner);
        let took =
            |(device, at): &(String, Instant)| Some((*arrived.get(device)? - *at).as_secs_f64() * 1_000.0);
        let times: Vec<f64> = sent.iter().filter_map(took).collect();
        anyhow::ensure!(times.len() == count, "{} of {count} notices arrived", times.len());
        Ok(times)
    }
}

fn serve(stream: &TcpStream, arrived: &Arrived) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(n) = line.strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
        }
        let mut body = vec![0u8; length];
        reader.read_exact(&mut body).ok()?;
        let at = flood::now();
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&body)
            && let Some(device) = json["notice"]["device"].as_str()
        {
            let mut seen = arrived.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.entry(device.to_owned()).or_insert(at);
            arrived.1.notify_all();
        }
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
