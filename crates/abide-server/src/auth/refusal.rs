use abide_core::{Code, Error};
use serde_json::json;

/// Why a token was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is none.
    Missing,
    /// It is none that this node could check.
    Malformed,
    /// It is not signed, or with an algorithm that its key is not for.
    Algorithm,
    /// It names a key that this node does not have, or does not say which of several it is.
    Key,
    /// Its signature is not by that key.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    Early,
    /// It is meant for somebody else.
    Audience,
    /// It comes from somebody else.
    Issuer,
    /// It lacks a claim that it has to have, or has one that cannot be read.
    Claims,
    /// It was taken back.
    Revoked,
    /// It is an API key that this node does not have (any more).
    Unknown,
}

impl Refusal {
    /// The name for programs, in the error's data.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::Claims => "claims",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "this node asks who is calling: send `Authorization: Bearer TOKEN`",
            Self::Malformed => "the token is neither a signed JWT nor an API key of this node",
            Self::Algorithm => "the token is not signed, or not in the way that its key is for",
            Self::Key => "the token does not name a key that this node trusts",
            Self::Signature => "the token's signature is not by the key it names",
            Self::Expired => "the token's time is over; get a fresh one",
            Self::Early => "the token is not valid yet; are the clocks right?",
            Self::Audience => "the token is not meant for this node",
            Self::Issuer => "the token is not from an issuer that this node trusts",
            Self::Claims => "the token lacks a claim that this node needs, or has one that cannot be read",
            Self::Revoked => "the token was taken back; get a fresh one",
            Self::Unknown => "there is no such API key, or it was revoked, or its time is over",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let detail = format!("{}; nothing was changed", refusal.sentence());
        Self::new(Code::Unauthenticated, detail).with_data(json!({"token": refusal.as_str()}))
    }
}
