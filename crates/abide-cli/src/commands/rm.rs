use clap::Args;

use crate::{client::object_path, failure::Outcome, output::plain, session::Session};

/// Delete an object: its state, alarms and history.
#[derive(Args, Debug)]
pub(crate) struct Rm {
    /// The kind of the object.
    kind: String,
    /// The id of the object.
    id: String,
}

impl Rm {
    /// Deletes the object; one that is not there is fine.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let answer = session.client()?.delete(&object_path(&[&self.kind, &self.id])).await?;
        let output = &session.output;
        let name = format!("{}/{}", self.kind, plain(&self.id));
        match answer["deleted"].as_bool() {
            _ if output.is_json() => output.value(&answer),
            Some(false) => output.line(format!("{name} was not there")),
            _ => output.line(format!("deleted {name}")),
        }
    }
}
