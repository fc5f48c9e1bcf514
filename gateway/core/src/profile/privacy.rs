//! `[privacy]`: where a payload says who somebody is, and what therefore never leaves it.

use std::borrow::Cow;

use super::form::{Envelope, Form};
use super::layout::{Place, Places, Wanted};
use super::metric::{Metric, MetricKind};
use crate::codec::json::{Blanks, Malformed, PathError};
use crate::codec::line::Line;
use crate::diagnostic::{Section, nearest};

/// What a profile says about people.
#[derive(Debug, Default)]
pub(super) struct Privacy {
    /// Metrics whose values are personal information.
    pub metrics: Vec<String>,
    identity: Identity,
}

/// The identity fields.
#[derive(Debug, Default)]
struct Identity {
    document: Blanks,
    outer: Blanks,
    /// The same, and the payload itself when it says who somebody is: what is read around it does not reach into it.
    around: Blanks,
    /// Tags and fields of a line.
    line: Vec<String>,
}

impl Privacy {
    /// Whether payloads say who somebody is.
    pub(super) fn holds_identity(&self) -> bool {
        let Identity { document, outer, line, .. } = &self.identity;
        !(document.is_empty() && outer.is_empty() && line.is_empty())
    }

    /// The document without what says who somebody is. It is known to be JSON that is taken.
    pub(super) fn of_document<'t>(&self, text: Cow<'t, [u8]>) -> Result<Cow<'t, [u8]>, Malformed> {
        blanked(&self.identity.document, text)
    }

    /// The same for what is around the payload.
    pub(super) fn of_envelope<'t>(&self, text: &'t [u8]) -> Result<Cow<'t, [u8]>, Malformed> {
        blanked(&self.identity.outer, Cow::Borrowed(text))
    }

    /// The same without a payload that says who somebody is: what may be picked from around it.
    pub(super) fn of_around<'t>(&self, text: &'t [u8]) -> Result<Cow<'t, [u8]>, Malformed> {
        blanked(&self.identity.around, Cow::Borrowed(text))
    }

    /// What a line is known again by.
    pub(super) fn of_line<'l>(&self, line: &'l Line<'_>) -> Cow<'l, [u8]> {
        let hidden = &self.identity.line;
        if hidden.is_empty() {
            return Cow::Borrowed(line.raw.as_bytes());
        }
        let open = |name: &str| !hidden.iter().any(|one| one == name);
        let tags: Vec<_> = line.tags.iter().filter(|(name, _)| open(name)).collect();
        let fields: Vec<_> = line.fields.iter().filter(|(name, _)| open(name)).collect();
        Cow::Owned(format!("{:?} {tags:?} {fields:?} {:?}", line.measurement, line.time_ns).into_bytes())
    }

    /// Reads `[privacy]`.
    pub(super) fn read(
        root: &Section<'_, '_>,
        metrics: &[Metric],
        places: Places,
        (form, envelope): (Option<&Form>, Option<&Envelope>),
        wanted: &Wanted,
    ) -> Option<Self> {
        let Some(section) = root.section("privacy") else { return Some(Self::default()) };
        let list = |key| if section.has(key) { section.texts(key) } else { Some(Vec::new()) };
        let mut privacy = Self::default();
        let find = |name: &str| metrics.iter().find(|metric| metric.name.as_str() == name);
        for name in list("metrics")? {
            if find(name).is_none() {
                let near = nearest(name, metrics.iter().map(|metric| metric.name.as_str()));
                let near = near.map(|n| format!("did you mean {n:?}?"));
                section.wrong("metrics", format!("{name:?} is no metric here"), near);
            }
            privacy.metrics.push(name.to_owned());
        }
        for field in list("fields")? {
            // Earlier versions wrote metrics here.
            if find(field).is_some_and(|metric| !matches!(metric.kind, MetricKind::Text)) {
                if wanted
                    .places()
                    .any(|place| matches!(place, Place::Field(name) | Place::Tag(name) if name == field))
                {
                    let why = format!(
                        "{field:?} is a metric and a place of the line, and values are read from there"
                    );
                    let hint = format!("if it is personal information, write metrics = [{field:?}]");
                    section.wrong("fields", why, Some(hint));
                    continue;
                }
                privacy.metrics.push(field.to_owned());
            } else if let Err(why) = privacy.identity.add(field, places, form) {
                let hint =
                    "a place of the payload, as \"$.patient.name\"; metrics stand under metrics = [..]";
                section.wrong("fields", why, Some(hint.to_owned()));
            }
        }
        for path in list("outer")? {
            if !matches!(places, Places::Document { envelope: true, .. }) {
                section.wrong("outer", "there is no [envelope] around the payload", None);
            } else if let Err(error) =
                privacy.identity.outer.add(path).and_then(|()| privacy.identity.around.add(path))
            {
                section.wrong("outer", error.to_string(), None);
            }
        }
        let Identity { document, around, .. } = &mut privacy.identity;
        for path in envelope.filter(|_| !document.is_empty()).into_iter().flat_map(Envelope::payload) {
            if let Err(error) = around.add(path) {
                section.wrong("fields", error.to_string(), None);
            }
        }
        for place in wanted.places().filter(|place| privacy.identity.touches(place, form)) {
            let why = match place {
                Place::Outer(path) if !privacy.identity.outer.touches(path) => {
                    format!("{place} leads into a payload that says who somebody is: read it with path")
                }
                _ => format!("{place} says who somebody is: nothing can be read from it"),
            };
            section.wrong(if matches!(place, Place::Outer(_)) { "outer" } else { "fields" }, why, None);
        }
        Some(privacy)
    }
}

impl Identity {
    fn add(&mut self, field: &str, places: Places, form: Option<&Form>) -> Result<(), String> {
        let said = |error: PathError| error.to_string();
        match places {
            Places::Registers => Err("registers say of nobody who it is".to_owned()),
            Places::Line => {
                self.line.push(field.to_owned());
                Ok(())
            }
            Places::Document { .. } => match (field.strip_prefix('@'), items(form)) {
                (None, _) => self.document.add(field).map_err(said),
                (Some(_), None) => {
                    Err("\"@\" is the item of a document that is split, and this one is not".into())
                }
                (Some(rest), Some(items)) => self.document.add(&format!("{items}{rest}")).map_err(said),
            },
        }
    }

    fn touches(&self, place: &Place, form: Option<&Form>) -> bool {
        match place {
            Place::Path(path) => self.document.touches(path),
            // As it would be in the first item; blanking knows all of them.
            Place::Item(path) => {
                items(form).is_some_and(|items| self.document.names(&format!("{items}{}", &path[1..])))
            }
            Place::Outer(path) => self.around.touches(path),
            Place::Field(name) | Place::Tag(name) => self.line.contains(name),
            Place::Topic(_) | Place::Register(_) => false,
        }
    }
}

/// The path of the items of a document that is split.
fn items(form: Option<&Form>) -> Option<&str> {
    form.and_then(|form| form.each.as_ref()).map(|each| each.path())
}

fn blanked<'t>(blanks: &Blanks, text: Cow<'t, [u8]>) -> Result<Cow<'t, [u8]>, Malformed> {
    if blanks.is_empty() {
        return Ok(text);
    }
    let utf8 = std::str::from_utf8(&text)
        .map_err(|e| Malformed { at: e.valid_up_to(), what: "the payload is not UTF-8".into() })?;
    blanks.blank(utf8).map(|blanked| Cow::Owned(blanked.into_bytes()))
}
