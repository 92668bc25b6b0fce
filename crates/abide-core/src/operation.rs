//! What a collection field did in a turn, instead of its whole new value.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One edit of a collection field, as it stands in a change's `ops`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    /// A counter moved by this much.
    Add {
        /// The difference, negative to count down.
        by: i64,
    },
    /// A value came into a set.
    Include {
        /// The value.
        value: Value,
    },
    /// A value left a set.
    Exclude {
        /// The value.
        value: Value,
    },
    /// A map's entry was set.
    Put {
        /// The entry's key.
        key: String,
        /// Its new value.
        value: Value,
    },
    /// A map's entry was removed.
    Delete {
        /// The entry's key.
        key: String,
    },
    /// An element came into a list before position `at`.
    Insert {
        /// The position, from 0; the list's length appends.
        at: usize,
        /// The element.
        value: Value,
    },
    /// The element at `at` left a list.
    Remove {
        /// The position, from 0.
        at: usize,
    },
    /// The element at `at` of a list was replaced.
    Replace {
        /// The position, from 0.
        at: usize,
        /// The new element.
        value: Value,
    },
    /// A set, map or list was emptied.
    Clear,
}

/// An operation met a value that it cannot be applied to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("operation {operation:?} does not fit {found}; the value was not changed")]
pub struct OperationMisfit {
    /// The operation.
    pub operation: Operation,
    /// The value it met, shortened.
    pub found: String,
}

impl Operation {
    /// Applies it to the JSON form of the field. A missing field is `null` and counts as empty.
    pub fn apply(&self, value: &mut Value) -> Result<(), OperationMisfit> {
        let misfit = |value: &Value| OperationMisfit {
            operation: self.clone(),
            found: value.to_string().chars().take(60).collect(),
        };
        match (self, &mut *value) {
            (Self::Add { by }, Value::Null) => *value = (*by).into(),
            (Self::Add { by }, Value::Number(n)) => match n.as_i64().and_then(|n| n.checked_add(*by)) {
                Some(sum) => *value = sum.into(),
                None => return Err(misfit(value)),
            },
            (Self::Include { value: new }, Value::Null) => *value = vec![new.clone()].into(),
            (Self::Include { value: new }, Value::Array(all)) => {
                if !all.contains(new) {
                    all.push(new.clone());
                }
            }
            (Self::Exclude { value: old }, Value::Array(all)) => all.retain(|v| v != old),
            (Self::Put { key, value: new }, Value::Null) => {
                *value = Value::Object([(key.clone(), new.clone())].into_iter().collect());
            }
            (Self::Put { key, value: new }, Value::Object(map)) => {
                map.insert(key.clone(), new.clone());
            }
            (Self::Delete { key }, Value::Object(map)) => {
                map.remove(key);
            }
            (Self::Insert { at: 0, value: new }, Value::Null) => *value = vec![new.clone()].into(),
            (Self::Insert { at, value: new }, Value::Array(all)) if *at <= all.len() => {
                all.insert(*at, new.clone());
            }
            (Self::Remove { at }, Value::Array(all)) if *at < all.len() => {
                all.remove(*at);
            }
            (Self::Replace { at, value: new }, Value::Array(all)) if *at < all.len() => {
                all[*at] = new.clone();
            }
            (Self::Clear, Value::Array(all)) => all.clear(),
            (Self::Clear, Value::Object(map)) => map.clear(),
            (Self::Exclude { .. } | Self::Delete { .. } | Self::Clear, Value::Null) => {}
            _ => return Err(misfit(value)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_operation_edits_its_kind_of_value() {
        for (operation, before, after) in [
            (json!({"op":"add","by":-2}), json!(5), json!(3)),
            (json!({"op":"include","value":"b"}), json!(["a"]), json!(["a", "b"])),
            (json!({"op":"include","value":"a"}), json!(["a"]), json!(["a"])),
            (json!({"op":"exclude","value":"a"}), json!(["a", "b"]), json!(["b"])),
            (json!({"op":"put","key":"k","value":1}), json!(null), json!({"k": 1})),
            (json!({"op":"delete","key":"k"}), json!({"k": 1}), json!({})),
            (json!({"op":"insert","at":1,"value":9}), json!([1, 2]), json!([1, 9, 2])),
            (json!({"op":"remove","at":0}), json!([1, 2]), json!([2])),
            (json!({"op":"replace","at":1,"value":7}), json!([1, 2]), json!([1, 7])),
            (json!({"op":"clear"}), json!([1, 2]), json!([])),
        ] {
            let operation: Operation = serde_json::from_value(operation).unwrap();
            let mut value = before;
            operation.apply(&mut value).unwrap();
            assert_eq!(value, after, "{operation:?}");
        }
    }

    #[test]
    fn an_operation_that_does_not_fit_changes_nothing() {
        let mut value = json!([1]);
        assert!(Operation::Remove { at: 1 }.apply(&mut value).is_err());
        assert!(Operation::Add { by: 1 }.apply(&mut value).is_err());
        assert_eq!(value, json!([1]));
    }
}
