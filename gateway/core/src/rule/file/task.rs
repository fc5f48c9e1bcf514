//! The task of a rule: its list, how it can end, and what its end asks for.

use std::sync::Arc;

use crate::diagnostic::Section;
use crate::ids::ListId;
use crate::rule::TaskRule;
use crate::task::{check_list, check_outcome};

/// Reads `task` and what belongs to it.
pub(super) fn read(section: &Section<'_, '_>) -> Option<Arc<TaskRule>> {
    let list = section.parsed("task", ListId::new);
    if !section.has("task") {
        for key in ["outcomes", "needs_outcome", "second_signer"] {
            if section.has(key) {
                section.wrong(key, "belongs to a task", Some("task = \"repair\"".into()));
            }
        }
        return None;
    }
    if let Some(why) = list.as_ref().and_then(|list| check_list(list).err()) {
        section.wrong("task", why, None);
    }
    let outcomes = section.texts("outcomes").unwrap_or_default();
    for wrong in outcomes.iter().filter_map(|code| check_outcome(code).err()) {
        section.wrong("outcomes", wrong, None);
    }
    Some(Arc::new(TaskRule {
        list: list?,
        outcomes: outcomes.into_iter().map(Arc::from).collect(),
        needs_outcome: section.flag("needs_outcome"),
        second_signer: section.flag("second_signer").unwrap_or(false),
    }))
}
