//! Cursors: where the next page begins, in a text that callers pass back as it is.

use abide_core::{Error, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// The longest cursor, in bytes: a few names and an id.
const BYTES_MAX: usize = 8192;

/// Writes a cursor.
pub(crate) fn write<T: Serialize>(position: &T) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// Reads a cursor.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    let wrong = || {
        Error::bad_request("the cursor cannot be read: pass back one that an earlier page gave, or none to begin anew")
    };
    if text.len() > BYTES_MAX {
        return Err(wrong());
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    serde_json::from_slice(&bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "####", "bm8", &"A".repeat(9000)] {
            assert!(read::<(String,)>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back_and_needs_no_escaping(id in any::<String>()) {
            let cursor = write(&(&id,));
            prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
            prop_assert_eq!(read::<(String,)>(&cursor).unwrap().0, id);
        }
    }
}
