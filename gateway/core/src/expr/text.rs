//! The text of a condition: `sys >= 180 or dia >= 110`, `lock == "fault"`.

use std::fmt;

/// How a value is compared with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Op {
    /// Whether it only asks for sameness, which states allow too.
    #[must_use]
    pub const fn is_sameness(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }

    /// The comparison with its sides swapped.
    const fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same @ (Self::Equal | Self::NotEqual) => same,
        }
    }
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A number.
    Number(f64),
    /// A token of a state, or a text.
    Token(String),
}

/// A condition as it was written; names are not yet looked up.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// One of these.
    Or(Vec<Self>),
    /// All of these.
    And(Vec<Self>),
    /// One comparison.
    Compare {
        /// The name as written: a metric, or a metric and an attribute.
        name: String,
        /// Where it stands in the text, in bytes.
        at: usize,
        /// How.
        op: Op,
        /// With what.
        literal: Literal,
    },
}

/// A mistake in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Where, in bytes from the start of the condition.
    pub at: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The deepest nesting of parentheses; no person needs more, and a parser must not overflow its stack.
const MAX_DEPTH: u8 = 16;

/// Reads a condition.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(text: &str) -> Result<Expr, ExprError> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expr = parser.any_of()?;
    match parser.next()? {
        None => Ok(expr),
        Some((at, token)) => {
            Err(ExprError { at, message: format!("expected and, or, or the end; found {token}") })
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Literal(Literal),
    Op(Op),
    And,
    Or,
    Open,
    Close,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?}"),
            Self::Literal(Literal::Number(n)) => write!(f, "the number {n}"),
            Self::Literal(Literal::Token(text)) => write!(f, "the text {text:?}"),
            Self::Op(_) => f.write_str("a comparison"),
            Self::And => f.write_str("and"),
            Self::Or => f.write_str("or"),
            Self::Open => f.write_str("\"(\""),
            Self::Close => f.write_str("\")\""),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<Expr, ExprError> {
        let mut parts = vec![self.all_of()?];
        while self.take(&Token::Or)? {
            parts.push(self.all_of()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn all_of(&mut self) -> Result<Expr, ExprError> {
        let mut parts = vec![self.term()?];
        while self.take(&Token::And)? {
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn term(&mut self) -> Result<Expr, ExprError> {
        match self.next()? {
            Some((at, Token::Open)) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(ExprError { at, message: "too many parentheses within one another".into() });
                }
                let inner = self.any_of()?;
                self.depth -= 1;
                if self.take(&Token::Close)? {
                    Ok(inner)
                } else {
                    Err(ExprError { at, message: "this \"(\" is never closed".into() })
                }
            }
            Some((at, Token::Name(name))) => {
                let op = self.op()?;
                match self.next()? {
                    Some((_, Token::Literal(literal))) => Ok(Expr::Compare { name, at, op, literal }),
                    Some((at, Token::Name(other))) => Err(ExprError {
                        at,
                        message: format!(
                            "a metric is compared with a constant; if {other:?} is a state, put it in quotes"
                        ),
                    }),
                    other => Err(self.unexpected(other, "a number or a text in quotes")),
                }
            }
            Some((_, Token::Literal(literal))) => {
                let op = self.op()?.swapped();
                match self.next()? {
                    Some((at, Token::Name(name))) => Ok(Expr::Compare { name, at, op, literal }),
                    other => Err(self.unexpected(other, "the name of a metric")),
                }
            }
            other => Err(self.unexpected(other, "a comparison such as temp > 8")),
        }
    }

    fn op(&mut self) -> Result<Op, ExprError> {
        match self.next()? {
            Some((_, Token::Op(op))) => Ok(op),
            other => Err(self.unexpected(other, "one of == != < <= > >=")),
        }
    }

    fn unexpected(&self, found: Option<(usize, Token)>, wanted: &str) -> ExprError {
        match found {
            Some((at, token)) => ExprError { at, message: format!("expected {wanted}, found {token}") },
            None => ExprError {
                at: self.text.len(),
                message: format!("expected {wanted}, found the end of the condition"),
            },
        }
    }

    /// Takes the next token if it is this one.
    fn take(&mut self, wanted: &Token) -> Result<bool, ExprError> {
        let before = self.at;
        match self.next()? {
            Some((_, token)) if token == *wanted => Ok(true),
            _ => {
                self.at = before;
                Ok(false)
            }
        }
    }

    fn next(&mut self) -> Result<Option<(usize, Token)>, ExprError> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        let start = self.at + rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else {
            self.at = start;
            return Ok(None);
        };
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '"' | '\'' => match trimmed[1..].find(first) {
                Some(end) => (Token::Literal(Literal::Token(trimmed[1..=end].to_owned())), end + 2),
                None => return Err(ExprError { at: start, message: "this quote is never closed".into() }),
            },
            '=' | '!' | '<' | '>' => operator(trimmed)
                .ok_or_else(|| ExprError { at: start, message: "write one of == != < <= > >=".into() })?,
            '≥' => (Token::Op(Op::GreaterOrEqual), first.len_utf8()),
            '≤' => (Token::Op(Op::LessOrEqual), first.len_utf8()),
            c if c.is_ascii_digit() || c == '-' || c == '+' || c == '.' => number(trimmed, start)?,
            c if c.is_ascii_alphabetic() => word(trimmed),
            c => return Err(ExprError { at: start, message: format!("{c:?} may not stand here") }),
        };
        self.at = start + length;
        Ok(Some((start, token)))
    }
}

fn operator(text: &str) -> Option<(Token, usize)> {
    [
        ("==", Op::Equal),
        ("!=", Op::NotEqual),
        ("<=", Op::LessOrEqual),
        (">=", Op::GreaterOrEqual),
        ("<", Op::Less),
        (">", Op::Greater),
    ]
    .into_iter()
    .find(|(sign, _)| text.starts_with(sign))
    .map(|(sign, op)| (Token::Op(op), sign.len()))
}

fn number(text: &str, at: usize) -> Result<(Token, usize), ExprError> {
    let length = text
        .char_indices()
        .find(|(n, c)| {
            !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || (*n == 0 && matches!(c, '-' | '+')))
        })
        .map_or(text.len(), |(n, _)| n);
    match text[..length].parse::<f64>() {
        Ok(n) if n.is_finite() => Ok((Token::Literal(Literal::Number(n)), length)),
        _ => Err(ExprError { at, message: format!("{:?} is not a number", &text[..length]) }),
    }
}

fn word(text: &str) -> (Token, usize) {
    let length = text
        .char_indices()
        .find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')))
        .map_or(text.len(), |(n, _)| n);
    let token = match &text[..length] {
        "and" => Token::And,
        "or" => Token::Or,
        "true" | "false" => Token::Literal(Literal::Token(text[..length].to_owned())),
        name => Token::Name(name.to_owned()),
    };
    (token, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(name: &str, at: usize, op: Op, literal: Literal) -> Expr {
        Expr::Compare { name: name.to_owned(), at, op, literal }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let expr = parse("a > 1 or b <= -2.5 and 'x' == c").expect("it parses");
        assert_eq!(
            expr,
            Expr::Or(vec![
                compare("a", 0, Op::Greater, Literal::Number(1.0)),
                Expr::And(vec![
                    compare("b", 9, Op::LessOrEqual, Literal::Number(-2.5)),
                    compare("c", 30, Op::Equal, Literal::Token("x".to_owned())),
                ]),
            ])
        );
        assert!(matches!(parse("(a > 1 or b > 2) and c == true"), Ok(Expr::And(parts)) if parts.len() == 2));
        assert_eq!(
            parse("180 <= sys"),
            parse("sys >= 180").map(|e| match e {
                Expr::Compare { name, op, literal, .. } => compare(&name, 7, op, literal),
                other => other,
            })
        );
    }

    #[test]
    fn says_where_and_what() {
        for (text, at, part) in [
            ("", 0, "found the end"),
            ("sys >", 5, "expected a number"),
            ("sys 5", 4, "expected one of =="),
            ("sys = 5", 4, "write one of =="),
            ("a > 1 b > 2", 6, "expected and, or"),
            ("lock == fault", 8, "put it in quotes"),
            ("(a > 1", 0, "never closed"),
            ("lock == \"x", 8, "never closed"),
            ("a > 1.2.3", 4, "is not a number"),
            ("a > 1 && b > 2", 6, "may not stand here"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
        assert!(parse(&"(".repeat(100)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_texts_never_panic(text in ".{0,60}") {
            if let Err(error) = parse(&text) {
                proptest::prop_assert!(error.at <= text.len());
            }
        }
    }
}
