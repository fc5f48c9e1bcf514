//! `/metrics` in the Prometheus text format: what was counted, and how things stand now.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::dto::{SinkStatus, Status};
use super::router::App;

/// The gateway's own figures in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "gateway",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let mut text = (app.parts.metrics)();
    standing(&app.parts.overview.status(), &mut text);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Writes how things stand as gauges, so that a dashboard shows what the status page shows.
fn standing(status: &Status, text: &mut String) {
    let Status { journal, engine, counts, alerts, sinks, sources, .. } = status;
    for (name, value) in [
        ("orderly_journal_durable_record", journal.durable),
        ("orderly_journal_unsynced_bytes", journal.unsynced_bytes),
        ("orderly_journal_segments", journal.segments),
        ("orderly_journal_bytes", journal.bytes),
        ("orderly_engine_behind_records", engine.lag),
        ("orderly_commit_number", status.commit),
        ("orderly_devices", counts.devices),
        ("orderly_devices_online", counts.online),
        ("orderly_quarantine_inputs", counts.quarantined),
        ("orderly_alerts_firing", alerts.firing),
        ("orderly_alerts_open", alerts.open),
        ("orderly_warnings", u64::try_from(status.warnings.len()).unwrap_or(u64::MAX)),
    ] {
        gauge(text, name, None, &[(String::new(), value)]);
    }
    let by_sink = |of: fn(&SinkStatus) -> u64| {
        sinks.iter().map(|sink| (sink.name.clone(), of(sink))).collect::<Vec<_>>()
    };
    gauge(text, "orderly_sink_behind_records", Some("sink"), &by_sink(|sink| sink.lag));
    gauge(text, "orderly_sink_ok", Some("sink"), &by_sink(|sink| u64::from(sink.state == "ok")));
    // A store that cannot be asked is neither well nor ill.
    let asked = sinks.iter().filter(|sink| matches!(sink.store.as_str(), "ok" | "faulty"));
    let well: Vec<_> = asked.map(|sink| (sink.name.clone(), u64::from(sink.store == "ok"))).collect();
    gauge(text, "orderly_sink_store_ok", Some("sink"), &well);
    let up: Vec<_> = sources.iter().map(|source| (source.name.clone(), u64::from(source.up))).collect();
    gauge(text, "orderly_source_up", Some("source"), &up);
}

/// One gauge, with a line for each value of its label.
fn gauge(text: &mut String, name: &str, label: Option<&str>, values: &[(String, u64)]) {
    text.push_str(&format!("# TYPE {name} gauge\n"));
    for (value_of, value) in values {
        text.push_str(&match label {
            Some(label) => format!("{name}{{{label}=\"{}\"}} {value}\n", escaped(value_of)),
            None => format!("{name} {value}\n"),
        });
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_cannot_forge_a_line() {
        let mut text = String::new();
        gauge(&mut text, "g", Some("sink"), &[("a\"} 1\nforged 2\\".to_owned(), 7)]);
        assert_eq!(text, "# TYPE g gauge\ng{sink=\"a\\\"} 1\\nforged 2\\\\\"} 7\n");
    }
}
