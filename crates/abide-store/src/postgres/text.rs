//! Texts as PostgreSQL can hold them: it has no character NUL.

use std::borrow::Cow;

/// A text without NUL: NUL becomes `\x01\x01`, and `\x01` becomes `\x01\x02`. Two texts are ordered by
/// their bytes as before, and one begins with the other as before.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte > 1) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\x01', "\x01\x02").replace('\0', "\x01\x01"))
}

/// What was escaped.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\x01') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\x01' if chars.next() == Some('\x01') => '\0',
            c => c,
        });
    }
    Cow::Owned(plain)
}

/// A text as SQL writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", escaped(text).replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaping_keeps_texts_their_order_and_what_they_begin_with(
            left in "[\0\x01\x02a🦀]{0,4}",
            right in "[\0\x01\x02a🦀]{0,4}",
        ) {
            let stored = escaped(&left);
            prop_assert_eq!(&*unescaped(&stored), &left);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(escaped(&left).cmp(&escaped(&right)), left.cmp(&right));
            prop_assert_eq!(escaped(&left).starts_with(&*escaped(&right)), left.starts_with(&right));
        }
    }
}
