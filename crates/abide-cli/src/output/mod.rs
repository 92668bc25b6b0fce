//! What commands print: JSON for programs, tables and lines for people.

mod change;
mod table;
mod value;

use std::io::{self, Write};

use console::{Style, Term};
use serde_json::Value;

pub(crate) use change::{change_line, dated_change_line};
pub(crate) use table::Table;
pub(crate) use value::{plain, shorten};

use crate::failure::{Failure, Outcome};

/// Where a command prints, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// Standard output; with `json`, for programs.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, colour: !json && console::colors_enabled() }
    }

    /// Whether `--json` was given.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one line.
    pub(crate) fn line(&self, line: impl AsRef<str>) -> Outcome {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", line.as_ref())?;
        Ok(out.flush()?)
    }

    /// Prints a value as JSON: on one line for programs, over several for people.
    pub(crate) fn value(&self, value: &Value) -> Outcome {
        match self.json {
            true => self.line(value.to_string()),
            false => self.line(serde_json::to_string_pretty(value).unwrap_or_default()),
        }
    }

    /// Says something to people that is no part of the result.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(io::stderr().lock(), "{}", self.dim(line.as_ref()));
        }
    }

    /// Reports a failure on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut err = io::stderr().lock();
        let styled = |style: Style, text: &str| match console::colors_enabled_stderr() {
            true => style.force_styling(true).apply_to(text).to_string(),
            false => text.to_owned(),
        };
        let _ = match self.json {
            true => writeln!(err, "{}", failure.json()),
            false => writeln!(err, "{} {failure}", styled(Style::new().red().bold(), "error:")),
        };
        if let Some(hint) = failure.advice().filter(|_| !self.json) {
            let _ = writeln!(err, "{} {hint}", styled(Style::new().cyan(), "hint:"));
        }
    }

    /// How many characters fit on a line; `None` if the output is no terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        let term = Term::stdout();
        term.is_term().then(|| usize::from(term.size().1))
    }

    /// The text, less loud.
    pub(crate) fn dim(&self, text: impl AsRef<str>) -> String {
        self.styled(Style::new().dim(), text.as_ref())
    }

    /// The text, louder.
    pub(crate) fn bold(&self, text: impl AsRef<str>) -> String {
        self.styled(Style::new().bold(), text.as_ref())
    }

    /// The text as something that came.
    pub(crate) fn green(&self, text: impl AsRef<str>) -> String {
        self.styled(Style::new().green(), text.as_ref())
    }

    /// The text as something that went, or went wrong.
    pub(crate) fn red(&self, text: impl AsRef<str>) -> String {
        self.styled(Style::new().red(), text.as_ref())
    }

    /// The text as a name.
    pub(crate) fn cyan(&self, text: impl AsRef<str>) -> String {
        self.styled(Style::new().cyan(), text.as_ref())
    }

    fn styled(&self, style: Style, text: &str) -> String {
        match self.colour {
            true => style.force_styling(true).apply_to(text).to_string(),
            false => text.to_owned(),
        }
    }
}
