//! `[commands]`

use serde::{Deserialize, Serialize};

/// What people may tell devices to do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandSettings {
    /// `class/command` or `device/command`; a star stands for any. Nothing that is not on the list is ever sent.
    pub allow: Vec<String>,
}

impl CommandSettings {
    /// The entry that allows a command.
    #[must_use]
    pub fn grant(&self, device: &str, class: &str, command: &str) -> Option<&str> {
        let fits = |entry: &&String| {
            entry.split_once('/').is_some_and(|(who, what)| {
                (who == "*" || who == class || who == device) && (what == "*" || what == command)
            })
        };
        self.allow.iter().find(fits).map(String::as_str)
    }

    /// The first entry that is none.
    #[must_use]
    pub fn wrong(&self) -> Option<&str> {
        let whole = |entry: &&String| {
            entry.split_once('/').is_some_and(|(who, what)| {
                [who, what]
                    .iter()
                    .all(|part| *part == "*" || orderly_core::ids::why_not_a_name(part).is_none())
            })
        };
        self.allow.iter().find(|entry| !whole(entry)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_the_list_is_allowed() {
        let none = CommandSettings::default();
        assert_eq!(none.grant("l1", "lock", "unlock"), None);
        let some = CommandSettings { allow: vec!["lock/unlock".into(), "s1/*".into()] };
        assert_eq!(some.grant("l1", "lock", "unlock"), Some("lock/unlock"));
        assert_eq!(some.grant("l1", "lock", "erase"), None);
        assert_eq!(some.grant("s1", "sign", "show"), Some("s1/*"));
        assert_eq!(some.wrong(), None);
        let odd = CommandSettings { allow: vec!["lock".into()] };
        assert_eq!(odd.wrong(), Some("lock"));
    }
}
