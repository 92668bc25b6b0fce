use abide_core::{
    Key, StoreError, Timestamp,
    port::store::{MessageId, OutboxMessage, OutboxPage, Outcome},
};

use super::{all, parts, share};
use crate::{
    page::{self, Part},
    redis::{codec, names, reply, script, writer::Shared},
};

/// How many messages one script reads at most.
const PAGE_MAX: usize = 2_000;

pub(in crate::redis) async fn outbox(
    shared: &Shared,
    after: Option<&MessageId>,
    limit: usize,
) -> Result<OutboxPage, StoreError> {
    let low = after.map_or_else(|| b"-".to_vec(), |id| [b"(".to_vec(), names::message_member(id)].concat());
    let (limit, bytes) = (limit.min(PAGE_MAX), share(shared));
    let command = |tag: &str| {
        let mut cmd = script::OUTBOX.call(tag);
        cmd.arg(tag).arg(&low).arg(limit.saturating_add(1)).arg(bytes);
        cmd
    };
    let mut found = Vec::new();
    for rows in parts(shared, command).await? {
        let (rows, members) = reply::counted(rows)?;
        let mut own: Vec<(Vec<u8>, OutboxMessage)> = Vec::new();
        for row in rows {
            let mut row = reply::list(row)?.into_iter();
            let member = reply::bytes(row.next().unwrap_or_default())?;
            let text = reply::text(row.next().unwrap_or_default())?;
            own.push((member, codec::decode_message(&text)?));
        }
        let end = own.last().filter(|_| own.len() < members || members > limit).map(|(member, _)| member.clone());
        found.push(Part { rows: own, end });
    }
    let (found, more) = page::join(found, limit, |(member, _)| member.clone(), |(_, message)| message.bytes());
    let messages = found.into_iter().map(|(_, message)| message).collect();
    Ok(OutboxPage { messages, more, partial: false })
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
