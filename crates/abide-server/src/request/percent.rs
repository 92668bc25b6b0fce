//! Percent-encoding, read strictly: one decoding, and whatever is not UTF-8 is refused.

use std::borrow::Cow;

/// What a `+` means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself, as in paths.
    Plus,
    /// A space, as in queries.
    Space,
}

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("has a % at byte {0} that is not followed by two hexadecimal digits (write % itself as %25)")]
    Escape(usize),
    #[error("is not UTF-8 once it is decoded")]
    Utf8,
}

/// Decodes a segment of a path, or a name or value of a query.
pub(crate) fn decode(text: &str, plus: Plus) -> Result<Cow<'_, str>, Malformed> {
    let special = |byte: u8| byte == b'%' || (byte == b'+' && plus == Plus::Space);
    if !text.bytes().any(special) {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'%' => {
                decoded.push(escape(bytes, at).ok_or(Malformed::Escape(at))?);
                at += 3;
                continue;
            }
            b'+' if plus == Plus::Space => decoded.push(b' '),
            byte => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Malformed::Utf8)
}

fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |offset: usize| char::from(*bytes.get(at + offset)?).to_digit(16);
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_character_can_be_written() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a%2Fb", "a/b"),
            ("a%2fb", "a/b"),
            ("%00", "\0"),
            ("%F0%9F%98%80", "😀"),
            ("😀", "😀"),
            ("a+b", "a+b"),
            ("%252F", "%2F"),
        ] {
            assert_eq!(decode(text, Plus::Plus).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(decode("a+b%2B", Plus::Space).as_deref(), Ok("a b+"));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for text in ["%", "a%", "%1", "%zz", "%+1", "a%2"] {
            assert!(matches!(decode(text, Plus::Plus), Err(Malformed::Escape(_))), "{text}");
        }
        for text in ["%FF", "%C3", "%ED%A0%80"] {
            assert_eq!(decode(text, Plus::Plus), Err(Malformed::Utf8), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let decoded = decode(&encoded, Plus::Plus).unwrap();
            prop_assert_eq!(decoded, text.as_str());
        }
    }
}
