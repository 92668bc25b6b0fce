//! Nine cells.

use serde::{Deserialize, Serialize};

const LINES: [[usize; 3]; 8] = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]];

/// What stands in a cell, and who plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// The first to play.
    X,
    /// The second.
    O,
}

impl Mark {
    /// The one against whom this one plays.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::X => Self::O,
            Self::O => Self::X,
        }
    }
}

/// The cells, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board([Option<Mark>; 9]);

impl Board {
    /// Whether this cell can be played.
    #[must_use]
    pub fn is_free(&self, cell: usize) -> bool {
        self.0.get(cell).is_some_and(Option::is_none)
    }

    /// Sets a cell that is free.
    pub fn set(&mut self, cell: usize, mark: Mark) {
        self.0[cell] = Some(mark);
    }

    /// Whether no cell is free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// Three in a row, if there are.
    #[must_use]
    pub fn line(&self) -> Option<[usize; 3]> {
        LINES.into_iter().find(|[a, b, c]| self.0[*a].is_some() && self.0[*a] == self.0[*b] && self.0[*b] == self.0[*c])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_row_are_found_wherever_they_are() {
        assert_eq!(Board::default().line(), None);
        for line in LINES {
            let mut board = Board::default();
            line.into_iter().for_each(|cell| board.set(cell, Mark::O));
            assert_eq!(board.line(), Some(line));
        }
    }
}
