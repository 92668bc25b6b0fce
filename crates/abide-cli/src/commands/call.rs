use std::{io::Read, time::Duration};

use abide::duration::parse_duration;
use clap::Args;
use serde_json::{Map, Value};

use crate::{
    client::CallRequest,
    failure::{Failure, Outcome},
    output::plain,
    session::Session,
};

/// Call a handler of an object.
///
/// The object need not be there: objects exist by being named.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  abide call Counter visits increment amount=5
  abide call Counter visits increment 5
  abide call Document readme set '{\"fields\": {\"title\": \"Abide\"}}'
  abide call Wallet alice transfer to=bob amount=30 --key order-77
  echo '{\"amount\": 5}' | abide call Counter visits increment -")]
pub(crate) struct Call {
    /// The kind of the object.
    kind: String,
    /// The id of the object.
    id: String,
    /// The handler to call.
    handler: String,
    /// `name=value` for each argument (a value that is JSON is taken as JSON, any other as text), or
    /// values in order, or one JSON object or array, or `-` to read that from standard input.
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    args: Vec<String>,
    /// The idempotency key: however often it is repeated, the call takes effect once.
    #[arg(long)]
    key: Option<String>,
    /// How long the call may take, for example 2s.
    #[arg(long, value_parser = timeout)]
    timeout: Option<(String, Duration)>,
}

impl Call {
    /// Makes the call and prints its result.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let args = arguments(&self.args)?;
        let call = CallRequest {
            target: [&self.kind, &self.id, &self.handler],
            args: args.as_ref(),
            key: self.key.as_deref(),
            timeout: self.timeout.as_ref().map(|(text, duration)| (text.as_str(), *duration)),
        };
        let answer = session.client()?.call(call).await?;
        let output = &session.output;
        if output.is_json() {
            return output.value(&answer);
        }
        match &answer["result"] {
            Value::Null => output.line("ok"),
            Value::String(text) => output.line(plain(text)),
            result => output.value(result),
        }
    }
}

fn timeout(text: &str) -> Result<(String, Duration), String> {
    match parse_duration(text) {
        Ok(duration) => Ok((text.to_owned(), duration)),
        Err(error) => Err(error.to_string()),
    }
}

/// The arguments as a JSON object or array; `None` if there are none.
fn arguments(words: &[String]) -> Outcome<Option<Value>> {
    match words {
        [] => Ok(None),
        [word] if word == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            whole(&text).map(Some)
        }
        [word] if word.trim_start().starts_with(['{', '[']) => whole(word).map(Some),
        words => match words.iter().map(|word| named(word)).collect::<Option<Map<_, _>>>() {
            Some(arguments) => Ok(Some(Value::Object(arguments))),
            None if words.iter().all(|word| named(word).is_none()) => {
                Ok(Some(words.iter().map(|word| value(word)).collect()))
            }
            None => Err(Failure::usage("some arguments have a name and some have none")
                .hint("write name=value for each, or only values, in the handler's order")),
        },
    }
}

fn whole(text: &str) -> Outcome<Value> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("the arguments are not JSON: {error}"))
            .hint("quote the JSON for the shell, or write name=value for each argument")
    })?;
    match value {
        Value::Object(_) | Value::Array(_) => Ok(value),
        _ => Err(Failure::usage("the arguments are one JSON object (by name) or one array (in order)")),
    }
}

/// `name=value`, where the name could be one of Rust's.
fn named(word: &str) -> Option<(String, Value)> {
    let (name, text) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), value(text)))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(words: &[&str]) -> Outcome<Option<Value>> {
        arguments(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_given_by_name_in_order_or_as_json() {
        for (words, expected) in [
            (&["amount=5"][..], json!({"amount": 5})),
            (&["to=bob", "amount=-3"], json!({"to": "bob", "amount": -3})),
            (
                &["a={\"b\":1}", "zip=01234", "empty=", "text=\"5\"", "equal=a=b"],
                json!({
                    "a": {"b": 1}, "zip": "01234", "empty": "", "text": "5", "equal": "a=b"
                }),
            ),
            (&["5", "bob"], json!([5, "bob"])),
            (&["https://x.test/?a=b"], json!(["https://x.test/?a=b"])),
            (&[r#"{"amount": 5}"#], json!({"amount": 5})),
            (&["[1, 2]"], json!([1, 2])),
        ] {
            assert_eq!(read(words).unwrap(), Some(expected), "{words:?}");
        }
        assert_eq!(read(&[]).unwrap(), None);
    }

    #[test]
    fn arguments_that_are_mixed_or_broken_are_bad_usage() {
        for words in [&["a=1", "2"][..], &["{\"a\": }"], &["[1"]] {
            assert_eq!(read(words).unwrap_err().exit(), 2, "{words:?}");
        }
    }
}
