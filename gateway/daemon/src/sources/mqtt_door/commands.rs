//! A device's subscriptions to its own commands. Nothing else can be subscribed.

use super::Door;
use super::conn::Client;
use crate::sources::mqtt::wire::{self, Filters, Version};

/// Grants or refuses each filter and answers.
pub fn subscribe(door: &Door, client: &Client, filters: Filters<'_>, out: &mut Vec<u8>) {
    let id = filters.id;
    let codes: Vec<u8> = filters.map(|(filter, qos)| grant(door, client, filter, qos)).collect();
    wire::suback(out, client.version, id, &codes);
}

/// Forgets each filter and answers.
pub fn unsubscribe(door: &Door, client: &Client, filters: Filters<'_>, out: &mut Vec<u8>) {
    let id = filters.id;
    let codes: Vec<u8> = filters
        .map(|(filter, _)| {
            let known = door.sessions.unsubscribe(&client.key, client.number, filter);
            if known { 0x00 } else { 0x11 }
        })
        .collect();
    wire::unsuback(out, client.version, id, &codes);
}

fn grant(door: &Door, client: &Client, filter: &str, qos: u8) -> u8 {
    let (reason, code) = if filter.starts_with("$share/") {
        ("shared_subscription", 0x9E)
    } else if !client.rights.may_hear(filter) {
        ("foreign_filter", 0x87)
    } else if !door.sessions.subscribe(&client.key, client.number, filter, qos.min(1)) {
        ("too_many_filters", 0x97)
    } else {
        return qos.min(1);
    };
    door.tally.refused(reason);
    if client.version == Version::V4 { 0x80 } else { code }
}
