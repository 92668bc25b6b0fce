//! JSON Web Tokens: who signed them, for whom, until when, and what they say.

mod claims;
mod keys;
mod provider;
mod revoked;

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use serde_json::{Map, Value};

pub(crate) use self::{keys::KeySet, revoked::Revoked};
use super::{Caller, JwtOptions, Refusal};

/// The longest token, in bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Believes tokens, or not.
#[derive(Debug)]
pub(crate) struct Jwt {
    options: JwtOptions,
}

impl Jwt {
    pub(crate) fn new(options: JwtOptions) -> Self {
        provider::install();
        Self { options }
    }

    /// Who presents this token.
    ///
    /// The key decides which algorithm is right, never the token: so a public key cannot be used as if it
    /// were a secret, and `none` is no algorithm.
    pub(crate) fn identify(&self, token: &str, keys: &KeySet, revoked: Option<&Revoked>) -> Result<Caller, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let header = decode_header(token).map_err(|error| match error.kind() {
            // An algorithm that is not known, such as `none`, shows as JSON that cannot be read.
            ErrorKind::Json(_) => Refusal::Algorithm,
            _ => Refusal::Malformed,
        })?;
        if header.crit.is_some() {
            // It asks for something that this node does not know, and has to refuse (RFC 7515, 4.1.11).
            return Err(Refusal::Malformed);
        }
        let trusted = keys.find(header.kid.as_deref())?;
        if header.alg != trusted.algorithm {
            return Err(Refusal::Algorithm);
        }
        let claims = decode::<Map<String, Value>>(token, &trusted.key, &self.validation(trusted.algorithm));
        let claims = claims.map_err(|error| refusal(error.kind()))?.claims;
        let caller = claims::caller(claims, &self.options)?.signed_by(trusted.print);
        match revoked {
            Some(revoked) => not_revoked(&caller, revoked).map(|()| caller),
            None => Ok(caller),
        }
    }

    /// Whether a token that was believed would still be, but for its time.
    pub(crate) fn holds(&self, caller: &Caller, keys: &KeySet, revoked: Option<&Revoked>) -> bool {
        caller.signer().is_some_and(|signer| keys.has(signer))
            && revoked.is_none_or(|revoked| not_revoked(caller, revoked).is_ok())
    }

    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.options.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&self.options.audience);
        let mut required = vec!["exp", "aud", "sub"];
        if !self.options.issuer.is_empty() {
            validation.set_issuer(&self.options.issuer);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

/// A token without a name could not be taken back, and is not taken where that may be needed.
fn not_revoked(caller: &Caller, revoked: &Revoked) -> Result<(), Refusal> {
    match caller.claim("jti").and_then(Value::as_str).map(str::trim) {
        None | Some("") => Err(Refusal::Claims),
        Some(name) if revoked.has(name) => Err(Refusal::Revoked),
        Some(_) => Ok(()),
    }
}

fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature | ErrorKind::InvalidRsaKey(_) => Refusal::Signature,
        ErrorKind::ExpiredSignature => Refusal::Expired,
        ErrorKind::ImmatureSignature => Refusal::Early,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Refusal::Algorithm,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => Refusal::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => Refusal::Issuer,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::InvalidSubject => {
            Refusal::Claims
        }
        _ => Refusal::Malformed,
    }
}
