//! Lowering of RFC 9535 paths that name at most one value: `$.a.b[0]['c d']`.

/// One step down a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To the member with this name.
    Key(String),
    /// To the item with this number, from 0.
    Item(usize),
}

/// The steps of a path, if it names at most one value and needs no document to be followed.
///
/// The path is one that `serde_json_path` has accepted; what is not understood here is left to it.
pub(super) fn lower(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = if let Some(after) = rest.strip_prefix('.') {
            let end = after
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || !c.is_ascii()))
                .unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            (Step::Key(name.to_owned()), after)
        } else {
            bracket(rest.strip_prefix('[')?.trim_start())?
        };
        if matches!(&step, Step::Key(name) if name.is_empty() && rest.starts_with('.')) {
            return None;
        }
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

fn bracket(inner: &str) -> Option<(Step, &str)> {
    let (step, after) = match inner.chars().next()? {
        quote @ ('\'' | '"') => {
            let end = inner[1..].find([quote, '\\']).map(|at| at + 1)?;
            // A name with escapes is left to the general way.
            if inner[end..].starts_with('\\') {
                return None;
            }
            (Step::Key(inner[1..end].to_owned()), &inner[end + 1..])
        }
        _ => {
            let end = inner.find(|c: char| !c.is_ascii_digit())?;
            (Step::Item(inner[..end].parse().ok()?), &inner[end..])
        }
    };
    Some((step, after.trim_start().strip_prefix(']')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowers_singular_paths_and_leaves_the_others() {
        let key = |k: &str| Step::Key(k.to_owned());
        assert_eq!(lower("$"), Some(vec![]));
        assert_eq!(lower("$.a.b_2"), Some(vec![key("a"), key("b_2")]));
        assert_eq!(lower("$['a b'][\"c\"][3]"), Some(vec![key("a b"), key("c"), Step::Item(3)]));
        assert_eq!(lower("$[ 'x' ].血压"), Some(vec![key("x"), key("血压")]));
        for other in ["$..a", "$.*", "$[*]", "$[1:2]", "$[-1]", "$[?@.a]", "$['a','b']", r"$['a\'b']"] {
            assert_eq!(lower(other), None, "{other}");
        }
    }
}
