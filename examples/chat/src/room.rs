//! One room.

use std::fmt;

use abide::{
    collection::{List, Set},
    prelude::*,
};

use crate::LOBBY;

/// How many lines a room shows; older ones stay in its history.
const SHOWN: usize = 100;
const TEXT_MAX: usize = 1000;
const NAME_MAX: usize = 24;
const MEMBERS_MAX: usize = 1000;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its number in the room, from 1.
    pub n: u64,
    /// When it was said.
    pub at: Timestamp,
    /// Who said it.
    pub from: String,
    /// What was said.
    pub text: String,
}

/// Why a room does not do what it is asked. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A name is 1 to 24 characters without line breaks.
    Name,
    /// A text is 1 to 1,000 characters.
    Text,
    /// Only who has joined may speak.
    NotJoined,
    /// The room has as many members as it takes.
    Full,
}

/// Who is in a room, and the last lines.
#[derive(Debug, Default, State)]
pub struct ChatRoom {
    members: Set<String>,
    lines: List<Line>,
    said: u64,
}

/// A room: lines come in one order for everyone, and what was answered is kept.
#[object(history = 10_000)]
impl ChatRoom {
    /// Comes in. Where callers are known, it is the caller's own name that counts.
    #[handler]
    pub fn join(&mut self, ctx: &mut Context, name: String) -> Result<String, Refusal> {
        let name = name_of(ctx, &name)?;
        if !self.members.contains(&name) {
            if self.members.len() >= MEMBERS_MAX {
                return Err(Refusal::Full);
            }
            self.members.insert(name.clone());
            self.tell_lobby(ctx);
        }
        Ok(name)
    }

    /// Leaves.
    #[handler]
    pub fn leave(&mut self, ctx: &mut Context, name: String) -> Result<(), Refusal> {
        let name = name_of(ctx, &name)?;
        if self.members.remove(&name) {
            self.tell_lobby(ctx);
        }
        Ok(())
    }

    /// Says something; the number of the line.
    #[handler]
    pub fn say(&mut self, ctx: &mut Context, name: String, text: String) -> Result<u64, Refusal> {
        let from = name_of(ctx, &name)?;
        let text = text.trim().to_owned();
        if text.is_empty() || text.chars().count() > TEXT_MAX {
            return Err(Refusal::Text);
        }
        if !self.members.contains(&from) {
            return Err(Refusal::NotJoined);
        }
        self.said += 1;
        let line = Line { n: self.said, at: ctx.now(), from, text };
        ctx.emit("Said", &line);
        self.lines.push(line);
        if self.lines.len() > SHOWN {
            self.lines.remove(0);
        }
        self.tell_lobby(ctx);
        Ok(self.said)
    }

    /// The last lines, oldest first.
    #[handler]
    pub fn messages(&self, #[arg(default = 20)] limit: usize) -> Vec<Line> {
        let from = self.lines.len().saturating_sub(limit);
        self.lines.iter().skip(from).cloned().collect()
    }

    /// Who has joined.
    #[handler]
    pub fn members(&self) -> Vec<String> {
        self.members.iter().cloned().collect()
    }

    fn tell_lobby(&self, ctx: &mut Context) {
        let news = json!({"room": ctx.key().id(), "lines": self.said, "members": self.members.len()});
        // The name and the arguments are right, so that nothing can go wrong here.
        let _ = ctx.send("ChatLobby", LOBBY, "note", news);
    }
}

/// Who calls: the one that the node knows, or else the one that it says it is.
pub(crate) fn name_of(ctx: &Context, name: &str) -> Result<String, Refusal> {
    let name = ctx.principal().map_or(name, |principal| &principal.subject).trim();
    let fits = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits { Ok(name.to_owned()) } else { Err(Refusal::Name) }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "a name has 1 to {NAME_MAX} characters"),
            Self::Text => write!(f, "a text has 1 to {TEXT_MAX} characters"),
            Self::NotJoined => f.write_str("join the room before you speak"),
            Self::Full => write!(f, "the room has {MEMBERS_MAX} members, as many as it takes"),
        }
    }
}
