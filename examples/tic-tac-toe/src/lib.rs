//! Tic-tac-toe for two: a match that waits, is played, and is decided, if need be by the clock.

mod board;
mod game;
mod page;

pub use board::{Board, Mark};
pub use game::{Phase, Refusal, TicTacToe, TicTacToeRef};
pub use page::{File, PAGE};

/// Registers the kind.
pub fn register(builder: abide::Builder) -> abide::Builder {
    builder.register::<TicTacToe>()
}
