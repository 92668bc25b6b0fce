//! What is shown.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use console::Term;

/// The terminal, with a line that is being typed at its bottom; or a pipe, with lines alone.
#[derive(Clone)]
pub(crate) struct Screen {
    term: Term,
    /// What is being typed, and the prompt before it.
    typing: Arc<Mutex<(String, String)>>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { term: Term::stdout(), typing: Arc::default() }
    }

    /// Whether somebody types here, key by key.
    pub(crate) fn is_terminal(&self) -> bool {
        self.term.is_term() && std::io::stdin().is_terminal()
    }

    /// Shows a line above the one that is being typed. What others wrote cannot steer the terminal.
    pub(crate) fn line(&self, line: &str) {
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.is_terminal() {
            let _ = self.term.clear_line();
            let _ = self.term.write_line(&line);
            self.draw();
        } else {
            let mut out = std::io::stdout().lock();
            // Who reads no more needs no more.
            let _ = writeln!(out, "{line}");
            let _ = out.flush();
        }
    }

    pub(crate) fn prompt(&self, prompt: String) {
        self.typing.lock().unwrap_or_else(PoisonError::into_inner).0 = prompt;
        self.draw();
    }

    /// Changes what is being typed; what it is now.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut String)) -> String {
        let text = {
            let mut typing = self.typing.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut typing.1);
            typing.1.clone()
        };
        self.draw();
        text
    }

    /// Takes the line that is being typed away, for whoever uses the terminal next.
    pub(crate) fn end(&self) {
        if self.is_terminal() {
            let _ = self.term.clear_line();
        }
    }

    fn draw(&self) {
        if self.is_terminal() {
            let (prompt, text) = self.typing.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let _ = self.term.clear_line();
            let _ = self.term.write_str(&format!("{prompt}> {text}"));
        }
    }
}
