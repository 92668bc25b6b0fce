//! Values on a line.

/// A text as it is, unless it holds characters that would steer the terminal: then quoted, with
/// those written out.
pub(crate) fn plain(text: &str) -> String {
    match text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        true => format!("{text:?}"),
        false => text.to_owned(),
    }
}

/// The text, cut to so many characters.
pub(crate) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_would_steer_the_terminal_is_quoted() {
        assert_eq!(plain("two\nlines"), "two\nlines");
        assert_eq!(plain("\u{1b}[2J"), r#""\u{1b}[2J""#);
        assert_eq!(plain("\u{9b}2J"), r#""\u{9b}2J""#);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }
}
