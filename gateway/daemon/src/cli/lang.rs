//! Chinese and English for people at the terminal.

use clap::ValueEnum;

/// Language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

impl Lang {
    /// The language that the environment asks for, by the usual precedence.
    pub fn of(environment: &[(String, String)]) -> Self {
        let set = |name: &str| environment.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v);
        let wanted = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| set(name));
        if wanted.is_some_and(|lang| lang.starts_with("zh")) { Self::Zh } else { Self::En }
    }

    /// The text in this language.
    pub const fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let lang = |pairs: &[(&str, &str)]| {
            Lang::of(&pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(lang(&[("LANG", "zh_CN.UTF-8")]), Lang::Zh);
        assert_eq!(lang(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C.UTF-8")]), Lang::En);
        assert_eq!(lang(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")]), Lang::Zh);
        assert_eq!(lang(&[]), Lang::En);
    }
}
