//! The texts of an alert: templates with `{placeholders}` that are checked when the rule is read.

use std::sync::Arc;

use crate::alert::Text;
use crate::diagnostic::nearest;

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Device,
    Zone,
    Class,
    Metric(String),
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// The texts of a rule in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// Chinese, simplified.
    pub zh: Template,
    /// English.
    pub en: Template,
}

/// What the placeholders stand for.
pub trait Fill {
    /// The device.
    fn device(&self) -> &str;
    /// Its zone.
    fn zone(&self) -> Option<&str>;
    /// Its class.
    fn class(&self) -> &str;
    /// The value of a metric as a person reads it; `None` when there is none or it must not be told.
    fn metric(&self, metric: &str) -> Option<String>;
}

impl Template {
    /// Reads a template; `metrics` are the names that may stand in it besides device, zone and class.
    ///
    /// # Errors
    /// A sentence that says which placeholder is wrong and what was meant.
    pub fn parse<'m>(text: &str, metrics: impl Iterator<Item = &'m str> + Clone) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (plain, after) = rest.split_at(open);
            if plain.contains('}') {
                return Err("a \"}\" without \"{\"".to_owned());
            }
            if !plain.is_empty() {
                pieces.push(Piece::Plain(plain.to_owned()));
            }
            let Some(close) = after.find('}') else {
                return Err("a \"{\" that is never closed".to_owned());
            };
            pieces.push(match &after[1..close] {
                "device" => Piece::Device,
                "zone" => Piece::Zone,
                "class" => Piece::Class,
                name if metrics.clone().any(|known| known == name) => Piece::Metric(name.to_owned()),
                name => {
                    let known = ["device", "zone", "class"].into_iter().chain(metrics);
                    return Err(match nearest(name, known) {
                        Some(near) => format!("{{{name}}} is not known; did you mean {{{near}}}?"),
                        None => format!("{{{name}}} is not known; it may be device, zone, class or a metric"),
                    });
                }
            });
            rest = &after[close + 1..];
        }
        if rest.contains('}') {
            return Err("a \"}\" without \"{\"".to_owned());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Plain(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Puts the values in; what is not known reads as a dash.
    #[must_use]
    pub fn fill(&self, with: &impl Fill) -> Arc<str> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Device => out.push_str(with.device()),
                Piece::Zone => out.push_str(with.zone().unwrap_or("-")),
                Piece::Class => out.push_str(with.class()),
                Piece::Metric(name) => out.push_str(with.metric(name).as_deref().unwrap_or("-")),
            }
        }
        out.into()
    }
}

impl Templates {
    /// Puts the values into both texts.
    #[must_use]
    pub fn fill(&self, with: &impl Fill) -> Text {
        Text { zh: self.zh.fill(with), en: self.en.fill(with) }
    }
}

/// A number as a person reads it: at most two places, no useless zeros.
#[must_use]
pub fn show_number(n: f64) -> String {
    let text = format!("{n:.2}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bed;

    impl Fill for Bed {
        fn device(&self) -> &str {
            "bp-0001"
        }
        fn zone(&self) -> Option<&str> {
            None
        }
        fn class(&self) -> &str {
            "bp_meter"
        }
        fn metric(&self, metric: &str) -> Option<String> {
            (metric == "sys").then(|| show_number(182.0))
        }
    }

    #[test]
    fn fills_what_is_known_and_dashes_the_rest() {
        let parse = |text| Template::parse(text, ["sys", "dia"].into_iter());
        let text = parse("{device} ({zone}): {sys}/{dia} mmHg").unwrap().fill(&Bed);
        assert_eq!(&*text, "bp-0001 (-): 182/- mmHg");
        assert_eq!(parse("{syss}").unwrap_err(), "{syss} is not known; did you mean {sys}?");
        assert!(parse("{sys").unwrap_err().contains("never closed"));
        assert!(parse("sys}").unwrap_err().contains("without"));
        assert!(parse("a} {sys}").unwrap_err().contains("without"));
    }

    #[test]
    fn shows_numbers_without_useless_zeros() {
        for (n, text) in [(182.0, "182"), (8.5, "8.5"), (8.25, "8.25"), (100.0, "100"), (-0.5, "-0.5")] {
            assert_eq!(show_number(n), text);
        }
    }
}
