//! Query parameters: what is wrong is named, and what would be right is said.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use orderly_core::ids::Id;
use orderly_core::time::Timestamp;

use super::error::ApiError;

/// The query of a request, checked name by name.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<Vec<(String, String)>>::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => {
                Err(ApiError::parameter("?", "cannot be read", "write name=value&name=value, URL-encoded"))
            }
        }
    }
}

/// The one name in the path of a request.
#[derive(Debug)]
pub(crate) struct InPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(ApiError::parameter(
                "id",
                "is not UTF-8",
                "write other characters than A-Z a-z 0-9 as %XX of their UTF-8",
            )),
        }
    }
}

impl Params {
    /// Refuses unknown names, names given twice and values that are much too long.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, ApiError> {
        for (place, (name, value)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(unknown(name, known));
            }
            if self.0[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::parameter(name, "is given twice", "give it once"));
            }
            if value.len() > 1_024 {
                return Err(ApiError::parameter(name, "is too long", "at most 1,024 bytes"));
            }
        }
        Ok(self)
    }

    /// The text of a parameter; an empty one counts as not given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// A name (of a class, a device, a stream ...).
    pub(crate) fn id<K>(&self, name: &str) -> Result<Option<Id<K>>, ApiError> {
        self.text(name).map(|text| parse_id(name, text)).transpose()
    }

    /// Several names, separated by commas.
    pub(crate) fn ids<K>(&self, name: &str, most: usize) -> Result<Vec<Id<K>>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        let ids: Vec<_> = text.split(',').map(|part| parse_id(name, part)).collect::<Result<_, _>>()?;
        if ids.len() > most {
            return Err(ApiError::parameter(
                name,
                "names too many",
                format!("at most {most}, separated by commas"),
            ));
        }
        Ok(ids)
    }

    /// How many, within `1..=most`.
    pub(crate) fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit") else { return Ok(default) };
        match text.parse() {
            Ok(n) if (1..=most).contains(&n) => Ok(n),
            _ => Err(ApiError::parameter("limit", "is not a number that fits", format!("1 to {most}"))),
        }
    }

    /// A moment as RFC 3339 with its offset.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A "+" that was not encoded arrives as a space; nobody means a space there.
        match text.replace(' ', "+").parse::<jiff::Timestamp>() {
            Ok(moment) => Ok(Some(Timestamp(moment.as_millisecond()))),
            Err(_) => Err(ApiError::parameter(
                name,
                "is not a time",
                "RFC 3339 with offset, as 2026-11-21T07:30:00+08:00 (write + as %2B) or 2026-11-20T23:30:00Z",
            )),
        }
    }

    /// A span of time as `30s`, `5m`, `1h`, `1d`, in milliseconds.
    pub(crate) fn span(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse_span(text).map(Some).ok_or_else(|| {
            ApiError::parameter(name, "is not a span of time", "1s to 366d, as 30s, 5m, 1h or 1d")
        })
    }

    /// One of a list of words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(ApiError::parameter(name, "is none of its words", format!("one of: {}", list.join(", "))))
            }
        }
    }
}

fn parse_id<K>(name: &str, text: &str) -> Result<Id<K>, ApiError> {
    Id::new(text).map_err(|error| {
        ApiError::parameter(name, &format!("is not a name: {}", error.why), "1 to 64 of A-Z a-z 0-9 . _ : -")
    })
}

fn parse_span(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms: i64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ms = number.parse::<u32>().ok().filter(|n| *n > 0)?;
    i64::from(ms).checked_mul(unit_ms).filter(|ms| *ms <= 366 * 86_400_000)
}

fn unknown(name: &str, known: &[&str]) -> ApiError {
    let shown: String = name.chars().take(40).collect();
    let nearest = known.iter().map(|k| (strsim::damerau_levenshtein(&shown, k), *k)).min();
    let hint = match nearest {
        Some((distance, near)) if distance <= 3 => format!("did you mean `{near}`?"),
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "this address takes none".to_owned(),
    };
    ApiError::parameter(&shown, "is not known", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        let pairs = text.split('&').filter_map(|p| p.split_once('='));
        Params(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!(parse_span("30s"), Some(30_000));
        assert_eq!(parse_span("5m"), Some(300_000));
        assert_eq!(parse_span("1d"), Some(86_400_000));
        for wrong in ["", "s", "0s", "-1s", "1.5h", "1w", "367d", "1秒", "秒", "99999999999d"] {
            assert_eq!(parse_span(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn moments_are_rfc_3339_and_a_lost_plus_is_forgiven() {
        let parsed = params("from=2026-11-21T07:30:00 08:00").moment("from");
        assert_eq!(parsed, Ok(Some(Timestamp(1_795_217_400_000))));
        assert_eq!(params("from=2026-11-20T23:30:00Z").moment("from"), parsed);
        assert!(params("from=yesterday").moment("from").is_err());
        assert!(
            params("from=2026-11-21T07:30:00").moment("from").is_err(),
            "without an offset it is no moment"
        );
    }

    #[test]
    fn unknown_names_offer_the_nearest() {
        let error = params("form=1").only(&["from", "to", "limit"]).expect_err("must be refused");
        assert!(format!("{error:?}").contains("did you mean `from`?"), "{error:?}");
        assert!(params("from=1&from=2").only(&["from"]).is_err());
        assert!(params("from=1").only(&["from"]).is_ok());
    }
}
