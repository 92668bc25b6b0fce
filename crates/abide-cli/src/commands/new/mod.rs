//! `abide new`: a project to start from, and objects in it.

mod name;
mod object;
mod project;
mod source;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::{
    name::{CrateName, TypeName},
    source::Source,
};
use crate::{
    failure::{Failure, Outcome},
    session::Session,
};

/// Make a project that builds and passes its test, or add an object to one.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  abide new reminders                    a project in ./reminders
  abide new reminders --path ../abide    the same, on that checkout of Abide
  abide new reminders --git URL          the same, on a repository of Abide
  abide new object ChatRoom              in a project: src/chat_room.rs, registered"
)]
pub(crate) struct New {
    /// The name of the project, and of its folder.
    name: Option<CrateName>,
    /// Depend on this checkout of Abide [default: the one that this folder is in, or else the one that
    /// this command was built from].
    #[arg(long, value_name = "DIR", conflicts_with = "git")]
    path: Option<PathBuf>,
    /// Depend on a git repository of Abide instead of a checkout.
    #[arg(long, value_name = "URL")]
    git: Option<String>,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Debug, Subcommand)]
enum Inner {
    /// Add an object to the project in this folder.
    Object {
        /// The name of its type, for example ChatRoom.
        name: TypeName,
    },
}

impl New {
    /// Writes the files.
    pub(crate) fn run(self, session: &Session) -> Outcome {
        match (self.inner, self.name) {
            (Some(Inner::Object { name }), _) => object::add(session, &name),
            (None, Some(name)) => {
                let source = match self.git {
                    Some(url) => Source::Git(url),
                    None => Source::checkout(self.path)?,
                };
                project::create(session, &name, &source)
            }
            (None, None) => Err(Failure::usage("a project needs a name").hint("for example: abide new reminders")),
        }
    }
}
