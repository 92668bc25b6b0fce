//! Where the objects of the loop are durable, and what is done to it.

use std::{fmt, path::Path, str::FromStr};

use abide_services::{Postgres, Redis, ServiceError};

/// Which store the loop runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KillStore {
    /// A SQLite file.
    #[default]
    Sqlite,
    /// A PostgreSQL server of its own, which waits for the disk.
    Postgres,
    /// A Redis server of its own, which appends every write to its file and syncs it.
    Redis,
}

impl FromStr for KillStore {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            "redis" => Ok(Self::Redis),
            _ => Err(format!("{name:?} is no store of the loop: it has sqlite, postgres and redis")),
        }
    }
}

/// What is done to a node and its database in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurt {
    /// The node is killed.
    Node,
    /// The database is killed and started again; the node has to go on by itself.
    Database,
    /// The database is held where it is for seconds; the node has to go on by itself.
    Pause,
    /// Both are killed, the node a moment after the database.
    Both,
}

impl fmt::Display for Hurt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "the node was killed",
            Self::Database => "the database was killed and started again",
            Self::Pause => "the database was paused",
            Self::Both => "the database and the node were killed",
        })
    }
}

impl Hurt {
    /// What befalls this round: one after the other, as far as the store has a process to hurt.
    pub(super) fn of(store: KillStore, round: u64) -> Self {
        match (store, round % 4) {
            (KillStore::Sqlite, _) | (_, 1) => Self::Node,
            (_, 2) => Self::Database,
            (_, 3) => Self::Pause,
            _ => Self::Both,
        }
    }
}

/// A store that outlives the children of the loop.
pub(super) enum Database {
    Sqlite(String),
    Postgres(Postgres),
    Redis(Redis),
}

impl Database {
    /// Brings it up, with nothing in it.
    pub(super) fn start(store: KillStore, directory: &Path) -> Result<Self, String> {
        let sentence = |error: ServiceError| error.to_string();
        Ok(match store {
            KillStore::Sqlite => Self::Sqlite(format!("sqlite:{}", directory.join("abide.db").display())),
            KillStore::Postgres => Self::Postgres(Postgres::start().map_err(sentence)?),
            KillStore::Redis => Self::Redis(Redis::start().map_err(sentence)?),
        })
    }

    /// Where it is, as a store's URL.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite(url) => url.clone(),
            Self::Postgres(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }

    /// Kills it with signal 9.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(server) => server.kill9().map_err(|error| error.to_string()),
            Self::Redis(server) => server.kill9().map_err(|error| error.to_string()),
        }
    }

    /// Starts it after it was killed, and waits until it answers.
    pub(super) fn start_again(&mut self) -> Result<(), String> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(server) => server.start_again().map_err(|error| error.to_string()),
            Self::Redis(server) => server.start_again().map_err(|error| error.to_string()),
        }
    }

    /// Holds it where it is.
    pub(super) fn pause(&self) -> Result<(), String> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(server) => server.pause().map_err(|error| error.to_string()),
            Self::Redis(server) => server.pause().map_err(|error| error.to_string()),
        }
    }

    /// Lets it go on.
    pub(super) fn resume(&self) -> Result<(), String> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(server) => server.resume().map_err(|error| error.to_string()),
            Self::Redis(server) => server.resume().map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_hurt_in_every_way_within_four_rounds_and_a_file_in_one() {
        let hurts: Vec<Hurt> = (1..=4).map(|round| Hurt::of(KillStore::Redis, round)).collect();
        assert_eq!(hurts, [Hurt::Node, Hurt::Database, Hurt::Pause, Hurt::Both]);
        assert!((1..=4).all(|round| Hurt::of(KillStore::Sqlite, round) == Hurt::Node));
    }
}
