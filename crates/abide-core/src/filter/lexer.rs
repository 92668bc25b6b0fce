//! From text to tokens.

use super::FilterError;
use super::expr::Operator;

/// A piece of a filter, with the character it starts at, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) position: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A run of letters, digits and `_-.:@/+`: a path's part, a number, a keyword or a bare text.
    Word(String),
    /// A text in quotes, without them.
    Quoted(String),
    /// A field name in backquotes, without them.
    Name(String),
    Operator(Operator),
    Open,
    Close,
    End,
}

/// Cuts a filter into tokens; the last one is always [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut lexer = Lexer { rest: text, position: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_while(char::is_whitespace);
        let position = lexer.position;
        let kind = lexer.next_kind()?;
        let ended = kind == TokenKind::End;
        tokens.push(Token { position, kind });
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    rest: &'t str,
    position: usize,
}

impl<'t> Lexer<'t> {
    fn next_kind(&mut self) -> Result<TokenKind, FilterError> {
        let position = self.position;
        let Some(first) = self.rest.chars().next() else {
            return Ok(TokenKind::End);
        };
        match first {
            '(' | ')' => {
                self.skip(1);
                Ok(if first == '(' { TokenKind::Open } else { TokenKind::Close })
            }
            '\'' | '"' => self.quoted(first).map(TokenKind::Quoted),
            '`' => self.quoted(first).map(TokenKind::Name),
            '=' | '!' | '<' | '>' => self.operator(),
            _ if is_word(first) => Ok(TokenKind::Word(self.skip_while(is_word).to_owned())),
            _ => {
                let message = format!("{first:?} has no meaning here; put text that holds it in quotes");
                Err(FilterError { position, message })
            }
        }
    }

    fn operator(&mut self) -> Result<TokenKind, FilterError> {
        let position = self.position;
        let written = self.skip_while(|c| matches!(c, '=' | '!' | '<' | '>'));
        match Operator::ALL.into_iter().find(|operator| operator.as_str() == written) {
            Some(operator) => Ok(TokenKind::Operator(operator)),
            None => {
                let message = format!("{written:?} is no comparison; write one of = != < <= > >=");
                Err(FilterError { position, message })
            }
        }
    }

    /// Reads up to the closing quote; a doubled quote stands for one.
    fn quoted(&mut self, quote: char) -> Result<String, FilterError> {
        let position = self.position;
        let mut text = String::new();
        self.skip(1);
        loop {
            text.push_str(self.skip_while(|c| c != quote));
            if self.rest.is_empty() {
                let message = format!("the {quote} is never closed");
                return Err(FilterError { position, message });
            }
            self.skip(1);
            if !self.rest.starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
            self.skip(1);
        }
    }

    /// Passes over `count` characters that are known to be ASCII.
    fn skip(&mut self, count: usize) {
        self.rest = &self.rest[count..];
        self.position += count;
    }

    fn skip_while(&mut self, passes: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !passes(c)).unwrap_or(self.rest.len());
        let (passed, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.position += passed.chars().count();
        passed
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '@' | '/' | '+')
}
