//! What rules must know of a class: which metrics its profiles measure, and what holds where neither profile nor
//! rule says otherwise (DESIGN section 3, Time).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::ClassId;
use crate::profile::{self, Profile};

use super::calendar::{CalendarFile, Calendars};

use crate::expr::{MetricInfo, MetricKind};

const MINUTE_MS: i64 = 60_000;

/// Meters that people use at home; their values come when the phone is near.
const HOME: [&str; 6] = ["bp_meter", "glucose_meter", "cgm", "scale", "thermometer", "oximeter"];

/// Devices of which every access is accounted for.
const CONTROLLED: [&str; 1] = ["drug_cabinet"];

/// Devices at the bed.
const BEDSIDE: [&str; 6] =
    ["bedside_monitor", "infusion_pump", "drip_monitor", "bed_sensor", "nurse_call", "ambulance"];

/// How old a reading of the class may be for a live decision, in milliseconds.
#[must_use]
pub fn late_ms(class: &str) -> i64 {
    if HOME.contains(&class) {
        24 * 60 * MINUTE_MS
    } else if BEDSIDE.contains(&class) {
        10 * MINUTE_MS
    } else {
        2 * MINUTE_MS
    }
}

/// Whether the history keeps everything of the class exactly. Of the others, which report all day long, the sealed
/// history keeps the time of receipt to the second; everything else is exact for all.
#[must_use]
pub fn is_kept_exactly(class: &str) -> bool {
    HOME.contains(&class) || CONTROLLED.contains(&class)
}

/// Whether values of the class are a patient's: they never go into a notice (DOMAIN rule 9).
#[must_use]
pub fn is_clinical(class: &str) -> bool {
    HOME.contains(&class) || BEDSIDE.contains(&class)
}

/// The metrics that each class has, all its profiles together, and the calendars that rules may name.
#[derive(Debug, Clone, Default)]
pub struct ClassTable {
    metrics: BTreeMap<ClassId, Vec<MetricInfo>>,
    calendars: Calendars,
}

impl ClassTable {
    /// The classes of these profiles.
    #[must_use]
    pub fn new<'p>(profiles: impl IntoIterator<Item = &'p Profile>) -> Self {
        let mut classes: BTreeMap<_, Vec<&Profile>> = BTreeMap::new();
        for profile in profiles {
            classes.entry(profile.class()).or_default().push(profile);
        }
        let mut table = Self::default();
        for (class, profiles) in classes {
            table.set(class, profiles);
        }
        table
    }

    /// Puts the profiles of one class in the place of those it had; without any the class is gone.
    pub fn set<'p>(&mut self, class: &ClassId, profiles: impl IntoIterator<Item = &'p Profile>) {
        let mut metrics: BTreeMap<_, (MetricKind, Option<Arc<str>>)> = BTreeMap::new();
        for profile in profiles {
            for metric in profile.metrics() {
                let entry = metrics.entry(metric.name.clone());
                merge(&mut entry.or_insert_with(|| (kind(metric), unit(metric))).0, metric);
            }
        }
        if metrics.is_empty() {
            self.metrics.remove(class);
        } else {
            let info = |(metric, (kind, unit))| MetricInfo { metric, kind, unit };
            let infos = metrics.into_iter().map(info).collect();
            self.metrics.insert(class.clone(), infos);
        }
    }

    /// The metrics of a class; `None` when no profile is of it.
    #[must_use]
    pub fn metrics(&self, class: &str) -> Option<&[MetricInfo]> {
        self.metrics.get(class).map(Vec::as_slice)
    }

    /// The calendars of all rule files.
    #[must_use]
    pub const fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// Puts the calendars of a rule file in the place of those that it had. Tells whether anything changed.
    pub fn set_calendars(&mut self, file: &str, calendars: CalendarFile) -> bool {
        self.calendars.set(file, calendars)
    }

    /// The names of all classes.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.metrics.keys().map(ClassId::as_str).collect()
    }
}

fn kind(metric: &profile::Metric) -> MetricKind {
    match &metric.kind {
        profile::MetricKind::Number(_) => MetricKind::Number,
        profile::MetricKind::State(states) => {
            MetricKind::State(states.tokens().map(|token| token.to_string()).collect())
        }
        profile::MetricKind::Text => MetricKind::Text,
    }
}

fn unit(metric: &profile::Metric) -> Option<Arc<str>> {
    match &metric.kind {
        profile::MetricKind::Number(number) => Some(number.unit.to_string().into()),
        profile::MetricKind::State(_) | profile::MetricKind::Text => None,
    }
}

/// Two models of a class may know different tokens of the same state; a rule may name any of them.
fn merge(known: &mut MetricKind, metric: &profile::Metric) {
    if let (MetricKind::State(known), MetricKind::State(more)) = (known, kind(metric)) {
        for token in more {
            if !known.contains(&token) {
                known.push(token);
            }
        }
    }
}
