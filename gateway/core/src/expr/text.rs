//! The text of a condition: `sys >= 180 or dia >= 110`, `lock == "fault"`.

use std::fmt;

use crate::duration::parse_millis;

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

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Token(text) => write!(f, "{text:?}"),
        }
    }
}

impl Op {
    /// Whether a value is so.
    #[must_use]
    pub fn is_so(self, value: f64, with: f64) -> bool {
        match self {
            Self::Equal => value == with,
            Self::NotEqual => value != with,
            Self::Less => value < with,
            Self::LessOrEqual => value <= with,
            Self::Greater => value > with,
            Self::GreaterOrEqual => value >= with,
        }
    }

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
    /// What a function tells, compared.
    Over {
        /// The function.
        call: Call,
        /// How.
        op: Op,
        /// With what.
        literal: Literal,
    },
}

/// A function with its arguments, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name.
    pub function: String,
    /// Where it stands in the text, in bytes.
    pub at: usize,
    /// What stands in its parentheses.
    pub args: Vec<Arg>,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    /// A metric.
    Name {
        /// As written.
        name: String,
        /// Where.
        at: usize,
    },
    /// A comparison that is counted.
    Compare {
        /// The metric as written.
        name: String,
        /// Where.
        at: usize,
        /// How.
        op: Op,
        /// With what.
        literal: Literal,
    },
    /// A duration in milliseconds.
    Duration(i64),
    /// A number.
    Number(f64),
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
    Comma,
    Duration(i64),
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
            Self::Comma => f.write_str("\",\""),
            Self::Duration(ms) => write!(f, "the duration {ms}ms"),
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
            Some((at, Token::Name(function))) if self.take(&Token::Open)? => {
                let call = Call { function, at, args: self.args(at)? };
                let op = self.op()?;
                match self.next()? {
                    Some((_, Token::Literal(literal))) => Ok(Expr::Over { call, op, literal }),
                    other => Err(self.unexpected(other, "a number or a text in quotes")),
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

    /// The arguments of a function, its closing parenthesis with them.
    fn args(&mut self, open: usize) -> Result<Vec<Arg>, ExprError> {
        let mut args = Vec::new();
        loop {
            args.push(match self.next()? {
                Some((at, Token::Name(name))) => {
                    let before = self.at;
                    match self.next()? {
                        Some((_, Token::Op(op))) => match self.next()? {
                            Some((_, Token::Literal(literal))) => Arg::Compare { name, at, op, literal },
                            other => return Err(self.unexpected(other, "a number or a text in quotes")),
                        },
                        _ => {
                            self.at = before;
                            Arg::Name { name, at }
                        }
                    }
                }
                Some((_, Token::Duration(ms))) => Arg::Duration(ms),
                Some((_, Token::Literal(Literal::Number(n)))) => Arg::Number(n),
                other => return Err(self.unexpected(other, "a metric, a duration or a number")),
            });
            match self.next()? {
                Some((_, Token::Comma)) => {}
                Some((_, Token::Close)) => return Ok(args),
                None => return Err(ExprError { at: open, message: "this \"(\" is never closed".into() }),
                other => return Err(self.unexpected(other, "\",\" or \")\"")),
            }
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
            ',' => (Token::Comma, 1),
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
    if text[length..].starts_with(|c: char| c.is_ascii_alphabetic()) {
        let length = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let ms = parse_millis(&text[..length]).map_err(|message| ExprError { at, message })?;
        return Ok((Token::Duration(i64::try_from(ms).unwrap_or(i64::MAX)), length));
    }
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
