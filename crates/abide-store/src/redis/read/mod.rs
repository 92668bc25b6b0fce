//! What is read.

pub(super) mod alarms;
pub(super) mod feed;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod objects;
pub(super) mod status;

use abide_core::{StoreError, port::store::READ_BYTES};
use redis::{Cmd, Value};

use super::{fault::Fault, writer::Shared};

/// How many bytes one part may give for a page that is put together of all.
pub(super) fn share(shared: &Shared) -> usize {
    READ_BYTES / usize::try_from(shared.names.parts.max(1)).unwrap_or(1)
}

/// The answers of commands that read, sent together.
pub(super) async fn all<const N: usize>(shared: &Shared, commands: [(u16, Cmd); N]) -> Result<[Value; N], StoreError> {
    let values = many(shared, &commands).await?;
    values.try_into().map_err(|_| super::fault::damaged("a command has no answer"))
}

/// The answers of commands that read, sent together.
pub(super) async fn many(shared: &Shared, commands: &[(u16, Cmd)]) -> Result<Vec<Value>, StoreError> {
    let commands: Vec<_> = commands.iter().map(|(slot, cmd)| (*slot, cmd)).collect();
    let answers = shared.reads.send(&commands).await.into_iter();
    answers.map(|answer| answer.map_err(Fault::into_read_error)).collect()
}

/// The same command for every part.
pub(super) async fn parts(shared: &Shared, command: impl Fn(&str) -> Cmd) -> Result<Vec<Value>, StoreError> {
    let names = &shared.names;
    let commands: Vec<_> = (0..names.parts).map(|part| (names.slot(part), command(names.tag(part)))).collect();
    many(shared, &commands).await
}
