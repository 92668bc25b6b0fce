//! The token that says: I was that client.

/// A client's secret: 160 bits that nobody can guess.
pub(super) struct Secret(String);

/// A token, taken apart.
pub(super) struct Token<'t> {
    pub(super) client: &'t str,
    pub(super) secret: &'t str,
}

impl Secret {
    pub(super) fn new() -> Self {
        let (high, low) = (ulid::Ulid::generate().random(), ulid::Ulid::generate().random());
        Self(format!("{high:020x}{low:020x}"))
    }

    /// The token of a client with this secret.
    pub(super) fn token(&self, client: &str) -> String {
        format!("{client}.{}", self.0)
    }

    /// Whether it is this one. How long that takes says nothing about where they differ.
    pub(super) fn is(&self, other: &str) -> bool {
        let differs = self.0.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        self.0.len() == other.len() && differs == 0
    }
}

impl<'t> Token<'t> {
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (client, secret) = text.split_once('.')?;
        Some(Self { client, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_secret_only() {
        let (a, b) = (Secret::new(), Secret::new());
        let token = a.token("01J");
        let read = Token::parse(&token).unwrap();
        assert_eq!((read.client, a.is(read.secret), b.is(read.secret)), ("01J", true, false));
        assert!(!a.is("") && !a.is(&read.secret[1..]) && !a.is(&format!("{}0", read.secret)));
        assert!(Token::parse("no point").is_none());
        assert_eq!(read.secret.len(), 40);
    }
}
