//! The signatures of JSON Web Tokens by `ring`, which TLS stands on too.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind, Result},
    signature::{Error as SignatureError, Signer, Verifier},
};
use ring::{
    digest, hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{self as ring_signature, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, UnparsedPublicKey},
};

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: UTILS };

/// What only turns keys into JWKs, which nobody asks for here.
const UTILS: KeyUtils = KeyUtils {
    rsa_pub_components_from_private_key: |_| Err(unsupported()),
    rsa_pub_components_from_public_key: |_| Err(unsupported()),
    ec_pub_components_from_private_key: |_, _| Err(unsupported()),
    ed_pub_components_from_private_key: |_, _| Err(unsupported()),
    compute_digest: |bytes, hash| {
        use jsonwebtoken::jwk::ThumbprintHash;
        let algorithm = match hash {
            ThumbprintHash::SHA256 => &digest::SHA256,
            ThumbprintHash::SHA384 => &digest::SHA384,
            ThumbprintHash::SHA512 => &digest::SHA512,
            _ => return Err(unsupported()),
        };
        Ok(digest::digest(algorithm, bytes).as_ref().to_vec())
    },
};

/// Makes it the process's provider, unless the program has chosen one before: that one does as well.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        let failed = |_| SignatureError::new();
        if let Some(algorithm) = hmac_algorithm(self.algorithm) {
            let secret = self.key.try_get_as_bytes().map_err(SignatureError::from_source)?;
            return hmac::verify(&hmac::Key::new(algorithm, secret), message, signature).map_err(failed);
        }
        if let (DecodingKeyKind::RsaModulusExponent { n, e }, Some(algorithm)) =
            (self.key.kind(), rsa_parameters(self.algorithm))
        {
            return PublicKeyComponents { n, e }.verify(algorithm, message, signature).map_err(failed);
        }
        let algorithm: &dyn ring_signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::ES256 => &ring_signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::ES384 => &ring_signature::ECDSA_P384_SHA384_FIXED,
            Algorithm::EdDSA => &ring_signature::ED25519,
            other => rsa_parameters(other).ok_or_else(SignatureError::new)?,
        };
        let key = self.key.try_get_as_bytes().map_err(SignatureError::from_source)?;
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(failed)
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static ring_signature::RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&ring_signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&ring_signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&ring_signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// Signs, so that a program that signs tokens of its own can go on doing so with this provider.
struct RingSigner {
    algorithm: Algorithm,
    key: SigningKey,
}

enum SigningKey {
    Hmac(hmac::Key),
    Rsa(RsaKeyPair, &'static dyn ring_signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let bytes = key.as_bytes();
    let ec = |algorithm| {
        EcdsaKeyPair::from_pkcs8(algorithm, bytes, &SystemRandom::new())
            .map_err(|_| Error::from(ErrorKind::InvalidEcdsaKey))
    };
    let key = match algorithm {
        Algorithm::ES256 => SigningKey::Ec(ec(&ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING)?),
        Algorithm::ES384 => SigningKey::Ec(ec(&ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING)?),
        Algorithm::EdDSA => SigningKey::Ed(
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map_err(|_| Error::from(ErrorKind::InvalidEddsaKey))?,
        ),
        other => match (hmac_algorithm(*other), rsa_encoding(*other)) {
            (Some(algorithm), _) => SigningKey::Hmac(hmac::Key::new(algorithm, bytes)),
            (None, Some(encoding)) => SigningKey::Rsa(
                RsaKeyPair::from_der(bytes).map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?,
                encoding,
            ),
            (None, None) => return Err(unsupported()),
        },
    };
    Ok(Box::new(RingSigner { algorithm: *algorithm, key }))
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn ring_signature::RsaEncoding> {
    match algorithm {
        Algorithm::RS256 => Some(&ring_signature::RSA_PKCS1_SHA256),
        Algorithm::RS384 => Some(&ring_signature::RSA_PKCS1_SHA384),
        Algorithm::RS512 => Some(&ring_signature::RSA_PKCS1_SHA512),
        Algorithm::PS256 => Some(&ring_signature::RSA_PSS_SHA256),
        Algorithm::PS384 => Some(&ring_signature::RSA_PSS_SHA384),
        Algorithm::PS512 => Some(&ring_signature::RSA_PSS_SHA512),
        _ => None,
    }
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        let failed = |_| SignatureError::new();
        Ok(match &self.key {
            SigningKey::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            SigningKey::Ed(key) => key.sign(message).as_ref().to_vec(),
            SigningKey::Ec(key) => key.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec(),
            SigningKey::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                signature
            }
        })
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
