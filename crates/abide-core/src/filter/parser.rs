//! From tokens to the tree.

use serde_json::Number;

use super::expr::{self, Comparison, Expr, Literal, Operator, Path};
use super::lexer::{Token, TokenKind, tokens};
use super::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FilterError};

/// Reads a whole filter.
pub(super) fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        let message = format!("it has {} bytes, the limit is {FILTER_BYTES_MAX}", text.len());
        return Err(FilterError { position: 1, message });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expr = parser.any()?;
    match parser.peek() {
        TokenKind::End => Ok(expr),
        TokenKind::Close => Err(parser.error("this ) closes nothing")),
        _ => Err(parser.error("here it should end, or go on with and / or")),
    }
}

/// Reads a path and nothing else.
pub(super) fn parse_path(text: &str) -> Result<Path, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        let message = format!("it has {} bytes, the limit is {FILTER_BYTES_MAX}", text.len());
        return Err(FilterError { position: 1, message });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let path = parser.path()?;
    match parser.peek() {
        TokenKind::End => Ok(path),
        _ => Err(parser.error("here the field name should end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// `all (or all)*`.
    fn any(&mut self) -> Result<Expr, FilterError> {
        let first = self.all()?;
        self.joined("or", first, Self::all, Expr::Or)
    }

    /// `one (and one)*`.
    fn all(&mut self) -> Result<Expr, FilterError> {
        let first = self.one()?;
        self.joined("and", first, Self::one, Expr::And)
    }

    fn joined(
        &mut self,
        word: &str,
        first: Expr,
        next: fn(&mut Self) -> Result<Expr, FilterError>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, FilterError> {
        if !self.at_word(word) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.at_word(word) {
            self.advance();
            operands.push(next(self)?);
        }
        Ok(join(operands))
    }

    /// `not one`, `( any )` or a comparison.
    fn one(&mut self) -> Result<Expr, FilterError> {
        if self.at_word("not") {
            let inner = self.nested(Self::one)?;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if *self.peek() == TokenKind::Open {
            let inner = self.nested(Self::any)?;
            if *self.peek() != TokenKind::Close {
                return Err(self.error("a ) is missing here"));
            }
            self.advance();
            return Ok(inner);
        }
        self.comparison().map(Expr::Comparison)
    }

    /// Passes the token that opens a level, and reads what is within.
    fn nested(&mut self, within: fn(&mut Self) -> Result<Expr, FilterError>) -> Result<Expr, FilterError> {
        if self.depth == FILTER_DEPTH_MAX {
            return Err(self.error(format!("it nests deeper than {FILTER_DEPTH_MAX} levels")));
        }
        self.advance();
        self.depth += 1;
        let inner = within(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Comparison, FilterError> {
        let path = self.path()?;
        let operator = self.operator(&path)?;
        let literal = self.literal()?;
        Ok(Comparison { path, operator, literal })
    }

    /// Names joined by dots. A dot is part of a word, so `a.b` is one token and `` a.`b` `` two.
    fn path(&mut self) -> Result<Path, FilterError> {
        let mut segments = Vec::new();
        let mut joined = true;
        loop {
            match self.peek().clone() {
                TokenKind::Name(name) if joined => {
                    segments.push(name);
                    joined = false;
                }
                TokenKind::Word(word) if joined != word.starts_with('.') => {
                    joined = word.ends_with('.');
                    self.plain_names(word.trim_matches('.'), &mut segments)?;
                }
                _ => break,
            }
            self.advance();
        }
        match Path::new(segments) {
            Some(path) if !joined => Ok(path),
            Some(_) => Err(self.error("a field name is missing after the dot")),
            None => Err(self.error("a field name is missing here, as in count>5")),
        }
    }

    /// Adds the names of a word without its outer dots.
    fn plain_names(&self, word: &str, segments: &mut Vec<String>) -> Result<(), FilterError> {
        if word.is_empty() {
            return Ok(());
        }
        for name in word.split('.') {
            if !expr::is_plain(name) {
                return Err(self.error(format!("{name:?} is no plain field name; write it as `{name}`")));
            }
            segments.push(name.to_owned());
        }
        Ok(())
    }

    fn operator(&mut self, path: &Path) -> Result<Operator, FilterError> {
        if let TokenKind::Operator(operator) = *self.peek() {
            self.advance();
            return Ok(operator);
        }
        Err(self.error(format!("after {path} comes one of = != < <= > >=")))
    }

    fn literal(&mut self) -> Result<Literal, FilterError> {
        let literal = match self.peek() {
            TokenKind::Quoted(text) => Literal::Text(text.clone()),
            TokenKind::Word(word) if expr::is_joining(word) => {
                return Err(self.error(format!("a value is missing before {word}; text is written '{word}'")));
            }
            TokenKind::Word(word) => bare(word),
            TokenKind::Name(_) => {
                return Err(self.error("text is written in ' or \", a field cannot stand here"));
            }
            TokenKind::Operator(_) | TokenKind::Open | TokenKind::Close | TokenKind::End => {
                return Err(self.error("a value is missing here: a number, 'text', true, false or null"));
            }
        };
        self.advance();
        Ok(literal)
    }

    fn at_word(&self, expected: &str) -> bool {
        matches!(self.peek(), TokenKind::Word(word) if word.eq_ignore_ascii_case(expected))
    }

    fn peek(&self) -> &TokenKind {
        &self.tokens[self.next].kind
    }

    /// Goes on to the next token; the last one, the end, stays.
    fn advance(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    fn error(&self, message: impl Into<String>) -> FilterError {
        FilterError { position: self.tokens[self.next].position, message: message.into() }
    }
}

/// What a bare word is as a value. A number too large for any type (`1e400`) is text.
fn bare(word: &str) -> Literal {
    match word {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        "null" => Literal::Null,
        _ => word.parse::<Number>().map_or_else(|_| Literal::Text(word.to_owned()), Literal::Number),
    }
}
