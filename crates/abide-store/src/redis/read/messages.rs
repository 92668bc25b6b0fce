use abide_core::{
    Key, StoreError, Timestamp,
    port::store::{MessageId, OutboxMessage, Outcome},
};

use super::{all, parts};
use crate::redis::{codec, names, reply, script, writer::Shared};

/// How many messages one script reads at most.
const PAGE_MAX: usize = 2_000;

pub(in crate::redis) async fn outbox(
    shared: &Shared,
    after: Option<&MessageId>,
    limit: usize,
) -> Result<Vec<OutboxMessage>, StoreError> {
    let low = after.map_or_else(|| b"-".to_vec(), |id| [b"(".to_vec(), names::message_member(id)].concat());
    let limit = limit.min(PAGE_MAX);
    let command = |tag: &str| {
        let mut cmd = script::OUTBOX.call(tag);
        cmd.arg(tag).arg(&low).arg(limit);
        cmd
    };
    let mut found = Vec::new();
    for rows in parts(shared, command).await? {
        for row in reply::list(rows)? {
            let mut row = reply::list(row)?.into_iter();
            let member = reply::bytes(row.next().unwrap_or_default())?;
            let text = reply::text(row.next().unwrap_or_default())?;
            found.push((member, codec::decode_message(&text)?));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(found.into_iter().take(limit).map(|(_, message)| message).collect())
}

pub(in crate::redis) async fn outcome(
    shared: &Shared,
    key: &Key,
    caller: &str,
    call_key: &str,
    now: Timestamp,
) -> Result<Option<Outcome>, StoreError> {
    let mut cmd = redis::cmd("HGET");
    cmd.arg(shared.names.of('q', key)).arg(names::outcome_field(caller, call_key));
    let [found] = all(shared, [(shared.names.slot(shared.names.part(key)), cmd)]).await?;
    let Some(text) = reply::maybe(found)? else { return Ok(None) };
    let outcome = codec::decode_outcome(caller, call_key, &text)?;
    Ok(Some(outcome).filter(|outcome| outcome.expires_at > now))
}

pub(in crate::redis) async fn received(shared: &Shared, key: &Key, sender: &Key) -> Result<u64, StoreError> {
    let mut cmd = redis::cmd("HGET");
    cmd.arg(shared.names.of('r', key)).arg(names::name(sender));
    let [found] = all(shared, [(shared.names.slot(shared.names.part(key)), cmd)]).await?;
    reply::number(found)
}
