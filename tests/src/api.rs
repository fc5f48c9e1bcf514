//! Questions to the API that many tests ask.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use crate::gateway::Site;
use crate::ledger::Ledger;

/// All readings of a device, page after page, oldest first.
///
/// # Errors
/// When the API does not answer or a page is not as documented.
pub async fn readings(site: &Site, device: &str) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut path = format!("/api/v1/devices/{device}/readings?limit=1000&from=2000-01-01T00:00:00Z");
        if let Some(after) = &after {
            path += &format!("&after={after}");
        }
        let page = site.get(&path).await?;
        all.extend(page["readings"].as_array().context("no `readings`")?.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
}

/// The device times of all readings of a device, in ms since 1970.
///
/// # Errors
/// As [`readings`], and when a reading has no device time.
pub async fn device_times(site: &Site, device: &str) -> anyhow::Result<Vec<i64>> {
    readings(site, device)
        .await?
        .iter()
        .map(|reading| {
            let text =
                reading["device_time"].as_str().with_context(|| format!("no device_time in {reading}"))?;
            Ok(text.parse::<jiff::Timestamp>()?.as_millisecond())
        })
        .collect()
}

/// (device, device time) -> how many readings there are, for all devices of a ledger.
///
/// # Errors
/// As [`device_times`].
pub async fn rows(site: &Site, ledger: &Ledger) -> anyhow::Result<BTreeMap<(String, i64), usize>> {
    let mut rows = BTreeMap::new();
    let devices: BTreeSet<&str> = ledger.messages.iter().map(|m| m.device.as_str()).collect();
    for device in devices {
        for time in device_times(site, device).await? {
            *rows.entry((device.to_owned(), time)).or_insert(0) += 1;
        }
    }
    Ok(rows)
}

/// Waits until so many readings of a device can be read.
///
/// # Errors
/// When they do not come within a minute.
pub async fn wait_readings(site: &Site, device: &str, count: usize) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    let mut found = 0;
    for _ in 0..1_200 {
        tick.tick().await;
        found = readings(site, device).await.map_or(0, |r| r.len());
        if found >= count {
            return Ok(());
        }
    }
    anyhow::bail!("{found} of {count} readings of {device} are there")
}

/// Waits until every source is up: a broker keeps for us only what comes after our subscription.
///
/// # Errors
/// When one stays down for a minute.
pub async fn wait_sources(site: &Site) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let mut status = serde_json::Value::Null;
    for _ in 0..3_000 {
        tick.tick().await;
        status = site.get("/api/v1/status").await?;
        let sources = status["sources"].as_array().context("no `sources`")?;
        if sources.iter().all(|source| source["up"] == true) {
            return Ok(());
        }
    }
    anyhow::bail!("a source stays down: {}", status["sources"])
}

/// Waits until the source of this name is up.
///
/// # Errors
/// When it stays down for a minute.
pub async fn wait_source(site: &Site, name: &str) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let mut status = serde_json::Value::Null;
    for _ in 0..3_000 {
        tick.tick().await;
        status = site.get("/api/v1/status").await?;
        let sources = status["sources"].as_array().context("no `sources`")?;
        if sources.iter().any(|source| source["name"] == name && source["up"] == true) {
            return Ok(());
        }
    }
    anyhow::bail!("{name} stays down: {}", status["sources"])
}
