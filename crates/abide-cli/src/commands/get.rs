use clap::Args;

use crate::{
    client::{object_path, query},
    failure::{Failure, Outcome},
    session::Session,
};

/// Show the state of an object, now or at an earlier seq.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The kind of the object.
    kind: String,
    /// The id of the object.
    id: String,
    /// The state as it was after this change, if that is still kept.
    #[arg(long, value_name = "SEQ")]
    at: Option<u64>,
}

impl Get {
    /// Reads the object and prints it.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let path = object_path(&[&self.kind, &self.id]);
        let asked = query(&[("at", self.at.map(|seq| seq.to_string()))]);
        let object = session.client()?.get(&(path + &asked)).await.map_err(|failure| self.not_at(failure))?;
        let output = &session.output;
        if output.is_json() {
            return output.value(&object);
        }
        let seq = object["seq"].as_u64().unwrap_or_default();
        let when = object["updated_at"].as_str().unwrap_or_default();
        output.note(format!("seq {seq}, changed {when}"));
        output.value(&object["state"])
    }

    /// An object that is there, but was not at this seq or is not known to have been: its history says more.
    fn not_at(&self, failure: Failure) -> Failure {
        match self.at {
            Some(_) if failure.code() == "not_found" && !failure.to_string().starts_with("there is no object") => {
                failure.hint("`abide log KIND ID` shows the changes that are kept")
            }
            _ => failure,
        }
    }
}
