//! A turn that takes in what foreign programs wrote to a shared object.

use std::sync::Arc;

use abide_core::{
    Encoded, Error, Seq,
    port::store::{FieldForm, Notice, Strings},
};
use serde_json::{Map, Value};
use tokio::time::timeout_at;

use super::{
    Activation, Live,
    deliver::out_of_time,
    settle::lost,
    turn::{keep_unstored, run_hook},
};
use crate::{
    context::Owner,
    job::{Envelope, Origin, guarded},
    node::NodeCore,
    object::Hook,
};

impl NodeCore {
    /// Looks whether there is anything new, and makes it a change of the object.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        activation: &Arc<Activation>,
        live: Option<Box<Live>>,
        mut envelope: Envelope,
    ) -> Option<Box<Live>> {
        let Origin::Foreign(notice) = &envelope.origin else { return live };
        let strings = match self.look_abroad(activation, notice.clone()).await {
            Ok(Some(strings)) => strings,
            nothing => {
                envelope.job.release(nothing.map(|_| Seq::ZERO));
                return live;
            }
        };
        let mut live = match live.map_or_else(|| activation.revive(), Ok) {
            Ok(live) => live,
            Err(error) => {
                envelope.job.release(Err(error));
                return None;
            }
        };
        let mut ctx = self.context(Owner::Activation(activation.clone()), &envelope, 0);
        let mut ran = Ok(());
        if let Some(hook) = activation.kind.hook(Hook::Create).filter(|_| activation.is_absent()) {
            let deadline = envelope.deadline;
            ran = match live.exclusive(activation) {
                Ok(object) => timeout_at(deadline, run_hook(hook, object, &mut ctx)).await.unwrap_or_else(|_| {
                    ctx.broken_off = true;
                    Err(out_of_time(&activation.key, hook.name))
                }),
                Err(error) => Err(error),
            };
        }
        let ran = ran.and_then(|()| live.write_strings(activation, &strings));
        if let Origin::Foreign(notice) = &mut envelope.origin {
            notice.said = Some(strings);
        }
        self.finish(activation, &mut live, envelope, ctx, ran);
        live.sound()
    }

    /// What is new, compared with all that this object has made durable.
    async fn look_abroad(&self, activation: &Activation, notice: Notice) -> Result<Option<Strings>, Error> {
        let Some(sharing) = &self.sharing else { return Ok(None) };
        if let Some(durable) = activation.wait_durable() {
            durable.await.unwrap_or_else(|_| Err(lost()))?;
        }
        Ok(sharing.look(notice).await?)
    }
}

impl Live {
    /// Puts strings into the object's fields. One that its field cannot hold is left out.
    fn write_strings(&mut self, activation: &Activation, strings: &Strings) -> Result<(), Error> {
        let before = self.fields()?;
        let read = |(field, text): (&String, &String)| {
            let form = activation.kind.forms.get(field).copied();
            let value = form.unwrap_or_else(|| FieldForm::of(before.get(field))).read(text);
            if value.is_none() {
                leave_out(activation, field, text);
            }
            Some((field.clone(), value?))
        };
        let news: Map<String, Value> = strings.iter().filter_map(read).collect();
        if self.merge(activation, &before, news.clone()).is_ok() {
            return Ok(());
        }
        for (field, value) in news {
            let one = Map::from_iter([(field.clone(), value)]);
            let now = self.fields()?;
            if self.merge(activation, &now, one).is_err() {
                leave_out(activation, &field, &strings[&field]);
            }
        }
        Ok(())
    }

    /// The fields of the object as it is now.
    fn fields(&self) -> Result<Map<String, Value>, Error> {
        let encode = || {
            let mut encoded = Encoded::default();
            let fields = self.object.encode(&self.unknown, &mut encoded).and_then(|()| encoded.json().decode());
            fields.map_err(|error| Error::internal(format!("the state cannot be written as JSON: {error}")))
        };
        guarded(|| "writing a state".into(), encode)
    }

    /// The object with some fields changed, if its type can have them so.
    fn merge(
        &mut self,
        activation: &Activation,
        fields: &Map<String, Value>,
        news: Map<String, Value>,
    ) -> Result<(), Error> {
        let mut fields = fields.clone();
        fields.extend(news);
        let state = abide_core::Json::trusted(Value::Object(fields).to_string());
        let (mut object, unknown) = activation.kind.decode(&state, activation.kind.options.version)?;
        keep_unstored(&mut object, &mut self.object);
        (self.object, self.unknown) = (object, unknown);
        Ok(())
    }
}

fn leave_out(activation: &Activation, field: &str, text: &str) {
    // Abide keeps this one by itself, whatever programs of distobject write there.
    if field != "updated_at" {
        tracing::warn!(key = %activation.key, field, text, "a program of distobject wrote what the field cannot hold");
    }
}

impl Activation {
    /// Whether the next turn takes in what foreign programs wrote.
    pub(super) fn is_about_to_take_in(&self) -> bool {
        let cell = self.cell.lock();
        let first = cell.waiting.as_ref().and_then(|waiting| waiting.mailbox.front());
        first.is_some_and(|envelope| matches!(envelope.origin, Origin::Foreign(_)))
    }
}
