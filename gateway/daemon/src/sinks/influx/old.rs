//! Old readings of one device, put together from the fields of their points.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use orderly_core::ids::MetricId;

use super::admin::{Admin, AdminError, Asked, OldPoint, OldValue};
use super::field;

/// Questions under way at the same time.
const AT_ONCE: usize = 4;

/// One reading as the store gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct OldReading {
    /// Nanoseconds since 1970, as it was exported.
    pub ns: i64,
    /// The stream.
    pub stream: String,
    /// Its values: metric, value, and the quality as it was written, if it was.
    pub values: Vec<(MetricId, OldValue, Option<String>)>,
}

/// The readings of these metrics, in the asked order, and whether there are no more. `asked.field` is not used.
///
/// # Errors
/// When the store cannot be asked.
pub async fn readings(
    admin: &Admin,
    asked: Asked<'_>,
    metrics: &[MetricId],
) -> Result<(Vec<OldReading>, bool), AdminError> {
    let names: Vec<String> = metrics.iter().map(|metric| field::of(metric.as_str()).into_owned()).collect();
    let mut fields = fetch(admin, asked, names).await?;
    let whole = fetch(admin, asked, vec!["quality".to_owned()]).await?;
    let all_good = whole.values().flatten().all(|p| p.value == OldValue::Text("good".to_owned()));
    let single = if all_good {
        BTreeMap::new()
    } else {
        fetch(admin, asked, metrics.iter().map(|metric| field::quality_of(metric.as_str())).collect()).await?
    };
    fields.retain(|_, points| !points.is_empty());

    // Beyond the last point of a field that was cut off, a reading might lack that field.
    let cut = fields.values().chain(whole.values()).filter(|points| points.len() >= asked.limit);
    let ends = cut.filter_map(|points| points.last().map(|p| p.ns));
    let end = if asked.newest_first { ends.max() } else { ends.min() };
    let inside = |ns: i64| match end {
        Some(end) if asked.newest_first => ns >= end,
        Some(end) => ns <= end,
        None => true,
    };

    let words = |points: BTreeMap<String, Vec<OldPoint>>| -> BTreeMap<(String, i64, String), String> {
        let points = points.into_iter().flat_map(|(field, points)| {
            points.into_iter().map(move |p| ((field.clone(), p.ns, p.stream), word(p.value)))
        });
        points.collect()
    };
    let (whole, single) = (words(whole), words(single));
    let mut rows: BTreeMap<(i64, String), OldReading> = BTreeMap::new();
    for metric in metrics {
        let points = fields.remove(&*field::of(metric.as_str())).unwrap_or_default();
        for OldPoint { ns, stream, value } in points.into_iter().filter(|p| inside(p.ns)) {
            let of = |field: String| (field, ns, stream.clone());
            let worst = whole.get(&of("quality".to_owned()));
            let own = single.get(&of(field::quality_of(metric.as_str())));
            let quality = if worst.is_some_and(|q| q == "good") { worst } else { own.or(worst) }.cloned();
            let empty = OldReading { ns, stream: stream.clone(), values: Vec::new() };
            let row = rows.entry((ns, stream)).or_insert(empty);
            row.values.push((metric.clone(), value, quality));
        }
    }
    let mut found: Vec<OldReading> = rows.into_values().collect();
    if asked.newest_first {
        found.reverse();
    }
    let complete = end.is_none() && found.len() <= asked.limit;
    found.truncate(asked.limit);
    Ok((found, complete))
}

fn word(value: OldValue) -> String {
    match value {
        OldValue::Text(text) => text,
        OldValue::Number(n) => n.to_string(),
    }
}

/// The points of each field.
async fn fetch(
    admin: &Admin,
    asked: Asked<'_>,
    fields: Vec<String>,
) -> Result<BTreeMap<String, Vec<OldPoint>>, AdminError> {
    let questions = fields.into_iter().map(|field| async move {
        let points = admin.history(&Asked { field: &field, ..asked }).await?;
        Ok((field, points))
    });
    futures_util::stream::iter(questions).buffer_unordered(AT_ONCE).try_collect().await
}
