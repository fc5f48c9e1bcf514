//! A table of which another replaces parts, read as if it stood so in the text. Mistakes keep their places.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::Section;

impl<'i> Section<'_, 'i> {
    /// Reads this table as it is when `with` replaces parts of it. The keys in `gone` are left out, those in `own` are
    /// no parts; of the list of tables `list.0` those tables are replaced that say the same `list.1`, others are added.
    pub fn replaced<T>(
        &self,
        with: &Section<'_, 'i>,
        gone: &[&str],
        own: &[&str],
        list: (&str, &str),
        build: impl FnOnce(&Section<'_, 'i>) -> T,
    ) -> T {
        let mut table = self.table.clone();
        for key in gone {
            table.remove(*key);
        }
        for (key, value) in with.table {
            let name = key.get_ref().as_ref();
            if own.contains(&name) {
                continue;
            }
            let joined = match (table.get(name).map(Spanned::get_ref), value.get_ref()) {
                (Some(DeValue::Array(before)), DeValue::Array(after)) if name == list.0 => {
                    Spanned::new(value.span(), DeValue::Array(joined(before, after, list.1)))
                }
                _ => value.clone(),
            };
            table.insert(key.clone(), joined);
        }
        build(&Section {
            report: self.report,
            path: self.path.clone(),
            span: self.span.clone(),
            table: &table,
            asked: RefCell::default(),
        })
    }
}

/// The tables of two lists; a later one takes the place of an earlier one that says the same at `key`.
fn joined<'i>(before: &DeArray<'i>, after: &DeArray<'i>, key: &str) -> DeArray<'i> {
    let said = |item: &Spanned<DeValue<'i>>| match item.get_ref() {
        DeValue::Table(table) => Some(table.get(key)?.get_ref().as_str()?.to_owned()),
        _ => None,
    };
    let same = |a: &Spanned<DeValue<'i>>, b: &Spanned<DeValue<'i>>| said(a).is_some() && said(a) == said(b);
    let mut all = DeArray::new();
    for item in before.iter() {
        all.push(after.iter().find(|later| same(item, later)).unwrap_or(item).clone());
    }
    for item in after.iter().filter(|item| !before.iter().any(|earlier| same(earlier, item))) {
        all.push(item.clone());
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::read;

    const TEXT: &str = "a = 1\n[part]\nx = 1\n[[item]]\nname = \"p\"\nn = 1\n[[item]]\nname = \"q\"\nn = 2\n\
        [with]\nown = 1\n[with.part]\ny = 2\n[[with.item]]\nname = \"q\"\nn = 3\n[[with.item]]\nname = \"r\"\nn = 4\n";

    #[test]
    fn parts_are_replaced_lists_joined_and_mistakes_stay_where_they_are() {
        let found = read("f", TEXT, |root| {
            drop(root.keys());
            let with = root.section("with")?;
            drop(with.keys());
            root.replaced(&with, &["with"], &["own"], ("item", "name"), |whole| {
                let items = whole.sections("item");
                let items: Vec<_> = items.iter().map(|item| (item.text("name"), item.integer("n"))).collect();
                assert_eq!(items, [(Some("p"), Some(1)), (Some("q"), Some(3)), (Some("r"), Some(4))]);
                assert_eq!(
                    (whole.integer("a"), whole.has("own"), whole.has("with")),
                    (Some(1), false, false)
                );
                whole.section("part").map(|part| part.integer("x"))
            })
        });
        let found: Vec<String> = found.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["f:13:1: part.y: unknown key \"y\" (did you mean \"x\"?)"]);
    }
}
