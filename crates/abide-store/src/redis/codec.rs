//! Alarms, messages and outcomes as text.

use abide_core::{
    Error, Json, Key, Seq, StoreError, Timestamp,
    port::store::{Alarm, MessageId, OutboxMessage, Outcome},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Serialize, Deserialize)]
struct MessageForm {
    sender: Key,
    n: u64,
    target: Key,
    handler: std::sync::Arc<str>,
    args: Json,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<Json>,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct OutcomeForm {
    fingerprint: u64,
    seq: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Error>,
    expires_at: Timestamp,
}

/// What no plain value fails to be written as.
fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("{what} cannot be read: {error}")))
}

pub(super) fn encode_alarm(alarm: &Alarm) -> String {
    encode(alarm)
}

/// Reads an alarm behind its due time and its flag.
pub(super) fn decode_alarm(text: &str) -> Result<Alarm, StoreError> {
    decode("an alarm", text.get(16..).unwrap_or_default())
}

pub(super) fn encode_message(message: &OutboxMessage) -> String {
    encode(&MessageForm {
        sender: message.id.sender.clone(),
        n: message.id.n,
        target: message.target.clone(),
        handler: message.handler.clone(),
        args: message.args.clone(),
        principal: message.principal.clone(),
        at: message.at,
    })
}

pub(super) fn decode_message(text: &str) -> Result<OutboxMessage, StoreError> {
    let form: MessageForm = decode("a message", text)?;
    Ok(OutboxMessage {
        id: MessageId { sender: form.sender, n: form.n },
        target: form.target,
        handler: form.handler,
        args: form.args,
        principal: form.principal,
        at: form.at,
    })
}

pub(super) fn encode_outcome(outcome: &Outcome) -> String {
    let (ok, error) = match &outcome.reply {
        Ok(json) => (Some(json.clone()), None),
        Err(error) => (None, Some(error.clone())),
    };
    let Outcome { fingerprint, seq, expires_at, .. } = outcome;
    encode(&OutcomeForm { fingerprint: *fingerprint, seq: *seq, ok, error, expires_at: *expires_at })
}

pub(super) fn decode_outcome(caller: &str, call_key: &str, text: &str) -> Result<Outcome, StoreError> {
    let form: OutcomeForm = decode("an outcome", text)?;
    let reply = match form.error {
        Some(error) => Err(error),
        // An answer `null` reads as none.
        None => Ok(form.ok.unwrap_or_else(Json::null)),
    };
    Ok(Outcome {
        caller: caller.into(),
        call_key: call_key.into(),
        fingerprint: form.fingerprint,
        seq: form.seq,
        reply,
        expires_at: form.expires_at,
    })
}
