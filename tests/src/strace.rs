//! Reads what strace wrote down about a daemon: which bytes went where, and when each call began and returned.

use std::collections::HashMap;

/// One finished system call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What its first argument stands for, as strace names it: a path or the two ends of a connection.
    pub target: String,
    /// All bytes that went in or came out.
    pub data: Vec<u8>,
    /// When it began, in seconds.
    pub began: f64,
    /// When it returned, in seconds.
    pub returned: f64,
    /// What it returned.
    pub result: i64,
}

/// The arguments for strace that this reader understands; the program and its own arguments follow.
#[must_use]
pub fn arguments(log: &std::path::Path) -> Vec<String> {
    let calls = "trace=write,pwrite64,writev,sendto,sendmsg,read,recvfrom,recvmsg,readv,fdatasync,fsync";
    ["-f", "-qq", "-ttt", "-T", "-yy", "-xx", "-s", "4000000", "-e", calls, "-o"]
        .iter()
        .map(|s| (*s).to_owned())
        .chain([log.display().to_string()])
        .collect()
}

/// Reads a whole log; calls are in the order in which they returned.
#[must_use]
pub fn read(log: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (f64, String)> = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let Some((stamp, text)) = rest.split_once(' ') else { continue };
        let Ok(at) = stamp.parse::<f64>() else { continue };
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            open.insert(pid, (at, begun.to_owned()));
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            if let (Some((began, begun)), Some((_, end))) =
                (open.remove(pid), resumed.split_once(" resumed>"))
            {
                calls.extend(call(&(begun + end), began, Some(at)));
            }
        } else {
            calls.extend(call(text, at, None));
        }
    }
    calls.sort_by(|a, b| a.returned.total_cmp(&b.returned));
    calls
}

fn call(text: &str, began: f64, resumed: Option<f64>) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, tail) = rest.rsplit_once(") = ")?;
    let (result, took) = match tail.rsplit_once(" <") {
        Some((result, took)) => (result, took.trim_end_matches('>').parse::<f64>().ok()?),
        None => (tail, 0.0),
    };
    let result = result.split_whitespace().next()?.parse::<i64>().ok()?;
    let target = arguments.split_once('<').and_then(|(fd, rest)| {
        fd.trim().parse::<u32>().ok()?;
        // The name ends before the next argument; a connection's arrow holds a '>' of its own.
        let end = rest.find(">,").or_else(|| rest.strip_suffix('>').map(str::len))?;
        // A path is shown in hexadecimal like any string; the ends of a connection are not.
        let hex = rest[..end]
            .split("\\x")
            .skip(1)
            .filter_map(|h| u8::from_str_radix(h, 16).ok())
            .collect::<Vec<u8>>();
        Some(if hex.is_empty() { rest[..end].to_owned() } else { String::from_utf8_lossy(&hex).into_owned() })
    })?;
    let mut data = Vec::new();
    for quoted in arguments.split('"').skip(1).step_by(2) {
        data.extend(quoted.split("\\x").skip(1).filter_map(|hex| u8::from_str_radix(hex, 16).ok()));
    }
    if result >= 0 && !name.contains("sync") {
        data.truncate(usize::try_from(result).unwrap_or(0));
    }
    // A resumed call's own line is stamped when it goes on; the duration counts from the beginning.
    let returned = resumed.map_or(began + took, |at| at.max(began + took));
    Some(Call { name: name.to_owned(), target, data, began, returned, result })
}

/// For each marker: when the first sync returned that began after the marker was written into a journal file.
#[must_use]
pub fn durable_at(calls: &[Call], markers: &[String]) -> HashMap<String, f64> {
    let journal = |c: &&Call| c.target.contains("/journal/") && c.result >= 0;
    let writes: Vec<&Call> = calls.iter().filter(journal).filter(|c| c.name.contains("write")).collect();
    let syncs: Vec<&Call> = calls.iter().filter(journal).filter(|c| c.name.contains("sync")).collect();
    let mut durable = HashMap::new();
    for write in writes {
        let text = String::from_utf8_lossy(&write.data);
        let found: Vec<&String> = markers.iter().filter(|m| text.contains(m.as_str())).collect();
        if found.is_empty() {
            continue;
        }
        let sync = syncs.iter().find(|s| s.target == write.target && s.began >= write.returned);
        for marker in found {
            if let Some(sync) = sync {
                durable.entry(marker.clone()).or_insert(sync.returned);
            }
        }
    }
    durable
}

/// The bytes of one direction of each connection, with the moment at which the call of each byte began or returned.
#[must_use]
pub fn stream(calls: &[Call], port: u16, inbound: bool) -> HashMap<String, (Vec<u8>, Vec<f64>)> {
    let here = format!(":{port}");
    let mut streams: HashMap<String, (Vec<u8>, Vec<f64>)> = HashMap::new();
    let mut ordered: Vec<&Call> = calls
        .iter()
        .filter(|c| c.target.starts_with("TCP") && c.target.contains(&here) && c.result > 0)
        .filter(|c| (c.name.starts_with("re")) == inbound)
        .collect();
    ordered.sort_by(|a, b| a.began.total_cmp(&b.began));
    for call in ordered {
        let (bytes, times) = streams.entry(call.target.clone()).or_default();
        bytes.extend_from_slice(&call.data);
        times.extend(std::iter::repeat_n(if inbound { call.returned } else { call.began }, call.data.len()));
    }
    streams
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        "10 100.000100 write(7<\\x2f\\x64\\x2f\\x6a\\x6f\\x75\\x72\\x6e\\x61\\x6c\\x2f\\x31>, \"\\x6d\\x31\", 2) = 2 <0.000010>\n",
        "10 100.000200 fdatasync(7<\\x2f\\x64\\x2f\\x6a\\x6f\\x75\\x72\\x6e\\x61\\x6c\\x2f\\x31> <unfinished ...>\n",
        "11 100.000300 sendto(9<TCP:[127.0.0.1:1883->127.0.0.1:5000]>, \"\\x40\\x02\\x00\\x01\", 4, 0, NULL, 0) = 4 <0.000020>\n",
        "10 100.000900 <... fdatasync resumed>) = 0 <0.000700>\n",
    );

    #[test]
    fn sees_when_a_marker_became_durable_and_when_an_ack_left() {
        let calls = read(LOG);
        assert_eq!(calls.len(), 3);
        let durable = durable_at(&calls, &["m1".to_owned()]);
        assert!((durable["m1"] - 100.0009).abs() < 1e-9);
        let out = stream(&calls, 1883, false);
        let (bytes, times) = out.values().next().expect("one connection");
        assert_eq!(bytes, &[0x40, 2, 0, 1]);
        assert!(times[0] < durable["m1"], "this log shows an ack that left too early");
    }
}
