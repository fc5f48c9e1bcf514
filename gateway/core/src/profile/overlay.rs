//! What a site may change of a profile: how often, how far, how much; never what stands where in a payload.

use std::sync::Arc;

use super::metric_text::adjust;
use super::{Profile, vectors};
use crate::diagnostic::{Diagnostic, nearest, read};
use crate::overlay::Layer;

/// Lays an overlay over a profile that was read.
pub(super) fn lay_over(profile: &mut Profile, layer: Layer<'_>) -> Result<(), Vec<Diagnostic>> {
    read(layer.name, layer.text, |root| {
        if let Some(name) = root.need_text("profile")
            && name != profile.id.as_str()
        {
            root.wrong("profile", format!("it was laid over {:?}", profile.id.as_str()), None);
        }
        if let Some(expect) = root.section("expect") {
            let every_ms = expect.millis("every");
            each(profile, |profile| profile.every_ms = every_ms.or(profile.every_ms));
        }
        if let Some(time) = root.section("time") {
            let (future, past) = (time.millis("max_future"), time.millis("max_past"));
            each(profile, |profile| {
                let rule = &mut profile.time;
                rule.max_future_ms = future.unwrap_or(rule.max_future_ms);
                rule.max_past_ms = past.unwrap_or(rule.max_past_ms);
            });
        }
        for section in root.sections("metric") {
            let Some(name) = section.need_text("name") else { continue };
            if !profile.metrics.iter().any(|metric| metric.name.as_str() == name) {
                let known = profile.metrics.iter().map(|metric| metric.name.as_str());
                let near = nearest(name, known).map(|near| format!("did you mean {near:?}?"));
                section.wrong("name", format!("{name:?} is no metric of {:?}", profile.id.as_str()), near);
                // What it would change cannot be told from what it must not.
                drop(section.keys());
            }
            each(profile, |profile| {
                let metric = profile.metrics.iter_mut().find(|metric| metric.name.as_str() == name);
                metric.into_iter().for_each(|metric| adjust(&section, metric));
            });
        }
        vectors::run(Some(profile), &root.sections("test"));
        Some(())
    })
}

/// Changes a profile and its variants.
fn each(profile: &mut Profile, mut change: impl FnMut(&mut Profile)) {
    change(profile);
    for variant in &mut profile.variants {
        // Nobody else has it: the profile has just been read.
        Arc::get_mut(&mut variant.profile).into_iter().for_each(&mut change);
    }
}
