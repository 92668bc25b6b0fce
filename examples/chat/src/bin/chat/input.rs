//! What is typed.

use std::{io::BufRead, thread};

use console::{Key, Term};
use tokio::sync::mpsc;

use crate::screen::Screen;

/// How much may wait to be looked at.
const WAITING_MAX: usize = 64;
/// The longest line that is typed.
const LINE_MAX: usize = 1000;

/// What the keyboard, or a pipe, says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A line was ended.
    Line(String),
    /// A line was begun, or is empty again.
    Typing(bool),
}

/// Reads on a thread of its own; the end of the channel is the end of the input.
pub(crate) fn start(screen: &Screen) -> mpsc::Receiver<Typed> {
    let (tx, rx) = mpsc::channel(WAITING_MAX);
    let screen = screen.clone();
    thread::spawn(move || if screen.is_terminal() { keys(&screen, &tx) } else { lines(&tx) });
    rx
}

fn lines(tx: &mpsc::Sender<Typed>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if tx.blocking_send(Typed::Line(line)).is_err() {
            return;
        }
    }
}

fn keys(screen: &Screen, tx: &mpsc::Sender<Typed>) {
    let term = Term::stdout();
    let mut typing = false;
    while let Ok(key) = term.read_key() {
        let mut line = None;
        let text = screen.edit(|text| match key {
            Key::Char(c) if !c.is_control() && text.chars().count() < LINE_MAX => text.push(c),
            Key::Backspace => {
                text.pop();
            }
            Key::Enter => line = Some(std::mem::take(text)),
            _ => {}
        });
        if let Some(line) = line
            && tx.blocking_send(Typed::Line(line)).is_err()
        {
            return;
        }
        let now = !text.is_empty() && !text.starts_with('/');
        if std::mem::replace(&mut typing, now) != now && tx.blocking_send(Typed::Typing(now)).is_err() {
            return;
        }
    }
}
