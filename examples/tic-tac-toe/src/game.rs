//! The match.

use std::fmt;

use abide::prelude::*;

use crate::board::{Board, Mark};

/// How long a turn may take.
const TURN: &str = "30s";
const NAME_MAX: usize = 24;

/// Where the match is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A seat is free.
    #[default]
    Waiting,
    /// Somebody is to move.
    Playing,
    /// Three in a row.
    Won,
    /// The board is full.
    Draw,
    /// Somebody took too long.
    TimedOut,
}

/// Why a move is not made. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A name has 1 to 24 characters.
    Name,
    /// Both seats are taken.
    Full,
    /// Who asks has no seat.
    NoSeat,
    /// The match has not begun, or is over.
    NotPlaying,
    /// It is the other's turn.
    NotYourTurn,
    /// The cell is taken, or is none.
    NoSuchCell,
    /// The match is not over.
    NotOver,
}

/// A match between two.
#[derive(Debug, State)]
pub struct TicTacToe {
    x: Option<String>,
    o: Option<String>,
    board: Board,
    turn: Mark,
    phase: Phase,
    winner: Option<Mark>,
    line: Option<[usize; 3]>,
    turn_ends_at: Option<Timestamp>,
    wins_x: u32,
    wins_o: u32,
    draws: u32,
}

/// A match between two: moves come one after the other, and an alarm ends a turn that takes too long.
#[object(history = 1000)]
impl TicTacToe {
    /// Takes a free seat, or comes back to one's own.
    #[handler]
    pub fn sit(&mut self, ctx: &mut Context, name: String) -> Result<Mark, Refusal> {
        let name = who(ctx, &name)?;
        if let Ok(mark) = self.seat(&name) {
            return Ok(mark);
        }
        let (seat, mark) = match (&mut self.x, &mut self.o) {
            (seat @ None, _) => (seat, Mark::X),
            (_, seat @ None) => (seat, Mark::O),
            _ => return Err(Refusal::Full),
        };
        *seat = Some(name);
        if self.x.is_some() && self.o.is_some() {
            self.begin(ctx, Mark::X);
        }
        Ok(mark)
    }

    /// Leaves one's seat; a match that was on is lost.
    #[handler]
    pub fn leave(&mut self, ctx: &mut Context, name: String) -> Result<(), Refusal> {
        let mark = self.seat(&who(ctx, &name)?)?;
        match mark {
            Mark::X => self.x = None,
            Mark::O => self.o = None,
        }
        (self.phase, self.board, self.line, self.winner) = (Phase::Waiting, Board::default(), None, None);
        (self.wins_x, self.wins_o, self.draws) = (0, 0, 0);
        self.stop_clock(ctx);
        Ok(())
    }

    /// Sets a mark: cells are counted from 0, row by row.
    #[handler]
    pub fn play(&mut self, ctx: &mut Context, name: String, cell: usize) -> Result<(), Refusal> {
        let mark = self.seat(&who(ctx, &name)?)?;
        match () {
            () if self.phase != Phase::Playing => return Err(Refusal::NotPlaying),
            () if self.turn != mark => return Err(Refusal::NotYourTurn),
            () if !self.board.is_free(cell) => return Err(Refusal::NoSuchCell),
            () => self.board.set(cell, mark),
        }
        self.line = self.board.line();
        if self.line.is_some() {
            self.end(ctx, Phase::Won, Some(mark));
        } else if self.board.is_full() {
            self.end(ctx, Phase::Draw, None);
        } else {
            self.turn = mark.other();
            self.start_clock(ctx);
        }
        Ok(())
    }

    /// Plays again; who did not begin before begins now.
    #[handler]
    pub fn again(&mut self, ctx: &mut Context, name: String) -> Result<(), Refusal> {
        self.seat(&who(ctx, &name)?)?;
        if matches!(self.phase, Phase::Waiting | Phase::Playing) {
            return Err(Refusal::NotOver);
        }
        let rounds = self.wins_x + self.wins_o + self.draws;
        self.begin(ctx, if rounds.is_multiple_of(2) { Mark::X } else { Mark::O });
        Ok(())
    }

    /// Where the match is.
    #[handler]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The turn took too long: the other wins.
    #[alarm]
    fn turn_over(&mut self, ctx: &mut Context) {
        if self.phase == Phase::Playing {
            self.end(ctx, Phase::TimedOut, Some(self.turn.other()));
        }
    }

    fn begin(&mut self, ctx: &mut Context, first: Mark) {
        (self.board, self.line, self.winner) = (Board::default(), None, None);
        (self.phase, self.turn) = (Phase::Playing, first);
        self.start_clock(ctx);
    }

    fn end(&mut self, ctx: &mut Context, phase: Phase, winner: Option<Mark>) {
        (self.phase, self.winner) = (phase, winner);
        match winner {
            Some(Mark::X) => self.wins_x += 1,
            Some(Mark::O) => self.wins_o += 1,
            None => self.draws += 1,
        }
        self.stop_clock(ctx);
    }

    fn start_clock(&mut self, ctx: &mut Context) {
        ctx.alarm("turn_over").after(TURN);
        self.turn_ends_at = ctx.alarms().first().map(|alarm| alarm.due);
    }

    fn stop_clock(&mut self, ctx: &mut Context) {
        ctx.alarm("turn_over").cancel();
        self.turn_ends_at = None;
    }

    fn seat(&self, name: &str) -> Result<Mark, Refusal> {
        let sits = |seat: &Option<String>| seat.as_deref() == Some(name);
        match () {
            () if sits(&self.x) => Ok(Mark::X),
            () if sits(&self.o) => Ok(Mark::O),
            () => Err(Refusal::NoSeat),
        }
    }
}

impl Default for TicTacToe {
    fn default() -> Self {
        Self {
            x: None,
            o: None,
            board: Board::default(),
            turn: Mark::X,
            phase: Phase::Waiting,
            winner: None,
            line: None,
            turn_ends_at: None,
            wins_x: 0,
            wins_o: 0,
            draws: 0,
        }
    }
}

/// Who calls: the one that the node knows, or else the one that it says it is.
fn who(ctx: &Context, name: &str) -> Result<String, Refusal> {
    let name = ctx.principal().map_or(name, |principal| &principal.subject).trim();
    if (1..=NAME_MAX).contains(&name.chars().count()) { Ok(name.to_owned()) } else { Err(Refusal::Name) }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name has 1 to 24 characters",
            Self::Full => "both seats are taken",
            Self::NoSeat => "take a seat before you play",
            Self::NotPlaying => "nobody is to move now",
            Self::NotYourTurn => "it is the other's turn",
            Self::NoSuchCell => "this cell cannot be played",
            Self::NotOver => "the match is not over",
        })
    }
}
