//! As much Flux as the gateway asks: one field of one device in a span of time, as annotated CSV.

use super::{Field, Seen};

/// The text between `before` and the next quote.
fn quoted<'a>(query: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = query.split_once(&format!("{before}\""))?;
    rest.split_once('"').map(|(text, _)| text)
}

fn word<'a>(query: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = query.split_once(before)?;
    rest.split([',', ')']).next()
}

fn nanoseconds(text: &str) -> Option<i64> {
    i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

/// Answers the query from what the store has kept; empty when it is not understood.
pub(super) fn answer(seen: &Seen, query: &str) -> String {
    run(seen, query).unwrap_or_default()
}

fn run(seen: &Seen, query: &str) -> Option<String> {
    let (measurement, field) = (quoted(query, "r._measurement == ")?, quoted(query, "r._field == ")?);
    let start = nanoseconds(word(query, "start: ")?)?;
    let stop = nanoseconds(word(query, "stop: ")?)?;
    let limit: usize = word(query, "limit(n: ")?.parse().ok()?;
    let tags = ["site", "device", "stream"].map(|tag| (tag, quoted(query, &format!("r.{tag} == "))));
    let fits = |key: &&super::PointKey| {
        let tagged = |(tag, wanted): &(&str, Option<&str>)| {
            wanted.is_none_or(|wanted| key.tags.get(*tag).map(String::as_str) == Some(wanted))
        };
        key.measurement == measurement && (start..stop).contains(&key.ns) && tags.iter().all(tagged)
    };
    let points = seen.rows.iter().filter(|(key, _)| fits(key));
    let mut points: Vec<_> = points.filter_map(|(key, fields)| Some((key, fields.get(field)?))).collect();
    points.sort_by_key(|(key, _)| key.ns);
    if query.contains("desc: true") {
        points.reverse();
    }
    let kind = if matches!(points.first(), Some((_, Field::Text(_)))) { "string" } else { "double" };
    let mut csv = format!(
        "#datatype,string,long,long,{kind},string\r\n#group,false,false,false,false,false\r\n\
         #default,_result,,,,\r\n,result,table,ns,value,stream\r\n"
    );
    for (key, value) in points.into_iter().take(limit) {
        let value = match value {
            Field::Float(n) => n.to_string(),
            Field::Int(n) => n.to_string(),
            Field::UInt(n) => n.to_string(),
            Field::Bool(b) => b.to_string(),
            Field::Text(text) => text.clone(),
        };
        let stream = key.tags.get("stream").map_or("", String::as_str);
        csv += &format!(",,0,{},{value},{stream}\r\n", key.ns);
    }
    Some(csv)
}
