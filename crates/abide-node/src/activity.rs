//! What memory knows of one object.

/// An object as it is in memory right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Whether it is in memory.
    pub in_memory: bool,
    /// Whether its decoded form is there, ready to run; without it, it hibernates.
    pub decoded: bool,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Those who watch it.
    pub watchers: usize,
    /// About how many bytes it takes.
    pub bytes: usize,
}
