//! The registry, its files, and what changes it.

mod files;
mod model;
mod size;

use super::{Change, File, Plan, Registry, plan};

/// A small hospital.
pub(super) const PLACES: &str = "\
id,kind,in,zh,en,level,capacity,marks
main,site,,本部,Main site,,,
opd,building,main,门诊楼,Outpatient building,,,
opd-f1,floor,opd,一楼,First floor,1,,
opd-hall,hall,opd-f1,门诊大厅,Outpatient hall,,,public
p-south,parking,main,南区停车场,South car park,,,visitor
p-north,parking,main,北区停车场,North car park,,1500,night_closed
";

pub(super) fn planned(registry: &Registry, files: &[(&str, &str)], whole: bool) -> Plan {
    let files: Vec<File<'_>> =
        files.iter().map(|(name, text)| File { name, bytes: text.as_bytes() }).collect();
    plan(registry, &files, whole)
}

/// The registry after these files, and what was refused.
pub(super) fn entered(registry: &Registry, files: &[(&str, &str)], whole: bool) -> (Registry, Vec<String>) {
    let plan = planned(registry, files, whole);
    let mut after = registry.clone();
    for change in &plan.changes {
        after.apply(change).unwrap_or_else(|fault| panic!("{change:?} was planned: {fault:?}"));
    }
    (after, plan.report.refused.iter().map(ToString::to_string).collect())
}

/// A registry of files in which nothing is wrong.
pub(super) fn of(files: &[(&str, &str)]) -> Registry {
    let (registry, refused) = entered(&Registry::default(), files, false);
    assert_eq!(refused, [""; 0]);
    registry
}

pub(super) fn rows(registry: &Registry) -> Vec<Change> {
    registry.rows().cloned().map(Change::Put).collect()
}
