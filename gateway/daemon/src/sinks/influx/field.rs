//! What a metric is called in the store: as here, unless that word is a point's own.

use std::borrow::Cow;

/// Tags and fields that every point has. A store that keeps columns takes no field with the name of a tag.
const OWN: [&str; 6] = ["device", "site", "stream", "zone", "quality", "time"];
/// Stands before the name of a metric that would be one of them.
const PREFIX: &str = "measured_";

/// The field of a metric. No two metrics have the same one, and none that of a quality.
pub fn of(metric: &str) -> Cow<'_, str> {
    if OWN.contains(&metric) || metric.ends_with("_quality") || metric.starts_with(PREFIX) {
        return format!("{PREFIX}{metric}").into();
    }
    metric.into()
}

/// The field that holds the quality of a metric.
pub fn quality_of(metric: &str) -> String {
    format!("{metric}_quality")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_metric_is_called_as_a_tag_a_quality_or_another_metric() {
        assert_eq!(of("sys"), "sys");
        let metrics = [
            "zone",
            "measured_zone",
            "measured_measured_zone",
            "air",
            "air_quality",
            "quality",
            "time",
            "sys",
        ];
        let mut fields: BTreeSet<String> = metrics.iter().map(|metric| of(metric).into_owned()).collect();
        assert!(OWN.iter().all(|own| !fields.contains(*own)), "{fields:?}");
        fields.extend(metrics.iter().map(|metric| quality_of(metric)));
        assert_eq!(fields.len(), 2 * metrics.len(), "{fields:?}");
    }
}
