//! Reading the worklist.

use orderly_core::ids::{ActorId, ListId};
use orderly_core::task::{Step, Task};
use orderly_core::time::Timestamp;
use rusqlite::params;

use super::reader::StateReader;
use super::{StateError, load};

/// Which tasks are wanted; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only of this list.
    pub list: Option<ListId>,
    /// Only those of this owner.
    pub owner: Option<ActorId>,
    /// Those that ended at this moment or later; `None`: those that are open.
    pub ended_from: Option<Timestamp>,
    /// At most so many: of those that ended the last ones; 0 means 1,000.
    pub limit: usize,
}

/// Every query fails when SQLite refuses or a row cannot be read.
impl StateReader {
    /// Tasks that fit the filter; open ones in the order in which they were made, ended ones the last first.
    pub fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>, StateError> {
        let which = match filter.ended_from {
            Some(_) => "ended_at >= ?3 ORDER BY ended_at DESC, n DESC",
            None => "ended_at IS NULL AND ?3 IS NULL ORDER BY n",
        };
        let sql = format!(
            "SELECT blob FROM task WHERE (?1 IS NULL OR list = ?1) AND (?2 IS NULL OR owner = ?2) AND {which} LIMIT ?4"
        );
        let (list, owner) = (filter.list.as_ref(), filter.owner.as_ref());
        load::packed(
            self.db(),
            "task",
            &sql,
            params![
                list.map(ListId::as_str),
                owner.map(ActorId::as_str),
                filter.ended_from.map(|at| at.0),
                super::reader::limit(filter.limit)
            ],
        )
    }

    /// One task and its steps, in order.
    pub fn task(&self, id: &str) -> Result<Option<(Task, Vec<Step>)>, StateError> {
        let rows = load::packed(self.db(), "task", "SELECT blob FROM task WHERE id = ?1", [id]);
        let Some(task) = rows.map(|mut rows: Vec<Task>| rows.pop())? else { return Ok(None) };
        let sql = "SELECT blob FROM task_step WHERE task = ?1 ORDER BY number";
        Ok(Some((task, load::packed(self.db(), "task_step", sql, [id])?)))
    }
}
