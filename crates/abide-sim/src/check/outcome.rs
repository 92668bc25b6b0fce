//! What a caller knows about its call.

/// What a caller knows about its call once it has stopped waiting for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome<R> {
    /// The call was answered: it took effect between the call and the return.
    Ok(R),
    /// The call was refused and certainly did not take effect, then or later.
    Failed,
    /// Nobody knows: a deadline, `maybe_applied`, or a crash of the caller. The call may have taken
    /// effect at any time after it was made, even long after the caller gave up, or never.
    Unknown,
}

impl<R> Outcome<R> {
    /// The answer, if there was one.
    pub fn answer(&self) -> Option<&R> {
        match self {
            Self::Ok(answer) => Some(answer),
            Self::Failed | Self::Unknown => None,
        }
    }

    /// Whether the call was answered, so that its effect must last.
    pub fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Ok(_))
    }
}
