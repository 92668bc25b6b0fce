//! Rows as bytes: for archives, and for comparing what stores hold.
//!
//! A row is its tag and its fields. Whole numbers are written seven bits a byte, the lowest first, the
//! high bit set on all bytes but the last; times as the number of the same 64 bits; texts as their length
//! in bytes and their bytes; what may be missing as 0, or as 1 and the value. There is one way to write a
//! row, and no other is read.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Alarm, MessageId, ObjectRow, OutboxMessage, Outcome, Row};
use crate::{
    change::ChangeRecord,
    json::Json,
    key::Key,
    schedule::Schedule,
    seq::{Incarnation, Seq},
    time::Timestamp,
};

const OBJECT: u8 = 1;
const CHANGE: u8 = 2;
const ALARM: u8 = 3;
const RECEIVED: u8 = 4;
const OUTCOME: u8 = 5;
const MESSAGE: u8 = 6;
/// An alarm, and on whose behalf it fires; one that fires on behalf of nobody is an [`ALARM`].
const ALARM_OF_PRINCIPAL: u8 = 7;

/// Bytes that are no row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row cannot be read: {0}")]
pub struct BadRow(String);

type Result<T> = std::result::Result<T, BadRow>;

impl Row {
    /// Appends the row's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Object(row) => row.write(out),
            Self::Change { key, change } => {
                head(out, CHANGE, key);
                number(out, change.seq.number());
                time(out, change.at);
                text(out, change.json.as_str());
                optional(out, change.snapshot.as_ref().map(Json::as_str));
            }
            Self::Alarm { key, alarm } => {
                head(out, if alarm.principal.is_some() { ALARM_OF_PRINCIPAL } else { ALARM }, key);
                write_alarm(out, alarm);
            }
            Self::Received { key, sender, n } => {
                head(out, RECEIVED, key);
                name(out, sender);
                number(out, *n);
            }
            Self::Outcome { key, outcome } => {
                head(out, OUTCOME, key);
                write_outcome(out, outcome);
            }
            Self::Message(message) => {
                head(out, MESSAGE, &message.id.sender);
                number(out, message.id.n);
                name(out, &message.target);
                text(out, &message.handler);
                text(out, message.args.as_str());
                optional(out, message.principal.as_ref().map(Json::as_str));
                time(out, message.at);
            }
        }
    }

    /// Reads the row at the beginning of `bytes`, which then begin after it.
    ///
    /// # Errors
    /// [`BadRow`] for bytes that [`Row::write`] does not make. How much of them was read is not said.
    pub fn read(bytes: &mut &[u8]) -> Result<Self> {
        let mut from = Input(bytes);
        let row = from.row()?;
        *bytes = from.0;
        Ok(row)
    }
}

impl ObjectRow {
    fn write(&self, out: &mut Vec<u8>) {
        head(out, OBJECT, &self.key);
        number(out, self.head.number());
        number(out, self.floor.number());
        number(out, self.incarnation.number());
        number(out, self.version.into());
        time(out, self.created_at);
        time(out, self.updated_at);
        number(out, self.commit_id);
        optional(out, self.state.as_ref().map(Json::as_str));
    }
}

fn write_alarm(out: &mut Vec<u8>, alarm: &Alarm) {
    text(out, &alarm.name);
    time(out, alarm.due);
    number(out, alarm.token);
    text(out, alarm.payload.as_str());
    number(out, alarm.attempt.into());
    let schedule = alarm.schedule.as_ref().and_then(|schedule| Json::of(schedule).ok());
    optional(out, schedule.as_ref().map(Json::as_str));
    optional(out, alarm.dead.as_deref());
    if let Some(principal) = &alarm.principal {
        text(out, principal.as_str());
    }
}

fn write_outcome(out: &mut Vec<u8>, outcome: &Outcome) {
    text(out, &outcome.caller);
    text(out, &outcome.call_key);
    number(out, outcome.fingerprint);
    number(out, outcome.seq.number());
    time(out, outcome.expires_at);
    match &outcome.reply {
        Ok(reply) => {
            out.push(1);
            text(out, reply.as_str());
        }
        Err(error) => {
            out.push(0);
            text(out, Json::of(error).unwrap_or_else(|_| Json::null()).as_str());
        }
    }
}

fn head(out: &mut Vec<u8>, tag: u8, key: &Key) {
    out.push(tag);
    name(out, key);
}

fn name(out: &mut Vec<u8>, key: &Key) {
    text(out, key.namespace().as_str());
    text(out, key.kind().as_str());
    text(out, key.id());
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn time(out: &mut Vec<u8>, time: Timestamp) {
    number(out, time.as_millis().cast_unsigned());
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn optional(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => {
            out.push(1);
            text(out, value);
        }
        None => out.push(0),
    }
}

/// Bytes that are yet to be read.
struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn row(&mut self) -> Result<Row> {
        let tag = self.byte()?;
        let known = (OBJECT..=ALARM_OF_PRINCIPAL).contains(&tag);
        let key = if known { self.name()? } else { return bad(format!("its tag is {tag}")) };
        Ok(match tag {
            OBJECT => Row::Object(Box::new(self.object(key)?)),
            CHANGE => Row::Change { key, change: self.change()? },
            ALARM => Row::Alarm { key, alarm: Box::new(self.alarm()?) },
            ALARM_OF_PRINCIPAL => {
                let mut alarm = self.alarm()?;
                alarm.principal = Some(self.json()?);
                Row::Alarm { key, alarm: Box::new(alarm) }
            }
            RECEIVED => Row::Received { key, sender: self.name()?, n: self.number()? },
            OUTCOME => Row::Outcome { key, outcome: Box::new(self.outcome()?) },
            _ => Row::Message(Box::new(self.message(key)?)),
        })
    }

    fn object(&mut self, key: Key) -> Result<ObjectRow> {
        Ok(ObjectRow {
            key,
            head: Seq::new(self.number()?),
            floor: Seq::new(self.number()?),
            incarnation: Incarnation::new(self.number()?),
            version: self.short()?,
            created_at: self.time()?,
            updated_at: self.time()?,
            commit_id: self.number()?,
            state: self.optional(Self::json)?,
        })
    }

    fn change(&mut self) -> Result<ChangeRecord> {
        Ok(ChangeRecord {
            seq: Seq::new(self.number()?),
            at: self.time()?,
            json: self.json()?,
            snapshot: self.optional(Self::json)?,
        })
    }

    fn alarm(&mut self) -> Result<Alarm> {
        Ok(Alarm {
            name: self.shared()?,
            due: self.time()?,
            token: self.number()?,
            payload: self.json()?,
            attempt: self.short()?,
            schedule: self.optional(|from| from.decoded::<Schedule>("schedule"))?,
            dead: self.optional(|from| from.text().map(str::to_owned))?,
            principal: None,
        })
    }

    fn outcome(&mut self) -> Result<Outcome> {
        Ok(Outcome {
            caller: self.shared()?,
            call_key: self.shared()?,
            fingerprint: self.number()?,
            seq: Seq::new(self.number()?),
            expires_at: self.time()?,
            reply: if self.flag()? { Ok(self.json()?) } else { Err(self.decoded("error")?) },
        })
    }

    fn message(&mut self, sender: Key) -> Result<OutboxMessage> {
        Ok(OutboxMessage {
            id: MessageId { sender, n: self.number()? },
            target: self.name()?,
            handler: self.shared()?,
            args: self.json()?,
            principal: self.optional(Self::json)?,
            at: self.time()?,
        })
    }

    fn name(&mut self) -> Result<Key> {
        let (namespace, kind, id) = (self.text()?, self.text()?, self.text()?);
        Key::parse(namespace, kind, id).or_else(|error| bad(error.to_string()))
    }

    fn json(&mut self) -> Result<Json> {
        let text = self.text()?;
        match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Ok(Json::trusted(text)),
            Err(error) => bad(format!("its JSON is none: {error}")),
        }
    }

    fn decoded<T: serde::de::DeserializeOwned>(&mut self, what: &str) -> Result<T> {
        serde_json::from_str(self.text()?).or_else(|error| bad(format!("its {what} is none: {error}")))
    }

    fn shared(&mut self) -> Result<Arc<str>> {
        Ok(self.text()?.into())
    }

    fn text(&mut self) -> Result<&'b str> {
        let bytes = self.number()?;
        let split = usize::try_from(bytes).ok().and_then(|bytes| self.0.split_at_checked(bytes));
        let Some((text, rest)) = split else {
            return bad(format!("a text of {bytes} bytes is cut short"));
        };
        self.0 = rest;
        std::str::from_utf8(text).or_else(|error| bad(format!("a text is not UTF-8: {error}")))
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => bad(format!("{other} where 0 or 1 is expected")),
        }
    }

    fn time(&mut self) -> Result<Timestamp> {
        let millis = self.number()?.cast_signed();
        let time = Timestamp::from_millis(millis);
        if time.as_millis() == millis { Ok(time) } else { bad("a time is out of range") }
    }

    fn short(&mut self) -> Result<u32> {
        u32::try_from(self.number()?).or_else(|_| bad("a number is too large"))
    }

    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return bad("a number is too large");
            }
            number |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { bad("a number has a byte too many") } else { Ok(number) };
            }
        }
        bad("a number is too long")
    }

    fn byte(&mut self) -> Result<u8> {
        let Some((byte, rest)) = self.0.split_first() else {
            return bad("it is cut short");
        };
        self.0 = rest;
        Ok(*byte)
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T> {
    Err(BadRow(why.into()))
}

#[cfg(test)]
mod tests;
