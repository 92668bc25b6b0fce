//! Whoever signs tokens for the tests.

use std::path::PathBuf;

use abide_server::{AuthOptions, JwtOptions};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use serde_json::{Value, json};

/// A private key of 2048 bits that protects nothing: it is made for these tests, since ring makes none.
const RSA: &str = "\
    MIIEowIBAAKCAQEAzezGBqur4P453/7oBrjh78w2WVL98v68zsYN+rAu7pv18eM3+5m5UgcRqU9Mz4EA3NAu+jETHggncU/VzxwH\
    G0HRNbGahe8wIpXFIrebN7YkHcdT/3ixhOCjNOJBHCPkDAbLWxPFmXp21ygTb7Dzqp5J/knntGnufWJzaxq5sSYiw+E4a4iKfrEj\
    ElXNEoGY5u8qRt1qW+qV8hIH2qdk6XP3pMnC7OmhfcT0k+ynTGlXIjU2pekd6WGPqmMEfhwD8sbwH8D2z6f0Nw3qySgD0/YfqWgk\
    xLWl4Fk7SDCTg/HXP80LCKQYnkeHgGGzNcS1pAv8jIF+k8BO/VKNso/EOQIDAQABAoIBADEk7zObV8c31OcUxhoImH8qnNPffxS1\
    X6j3UlHAJ0sxtFX4dJ1amAQwBLKD5uBkuKh6FKQH/zh9GLCtrWiilz2VjRDD5I1PQo0WcjgxWl1G3kKvFehTzQXZuIl/76sAE8Yc\
    /v4q708MD32UpmLS96wB38XMrHv9hfmte78VXzib5Dtz0t8RjGWiX9kg6HbASIIpJfw+ug2pUbeKFJ/O5YEJLgMPoHo2Jf3wTKLU\
    U3mFK5esdeG6ADVZaaw8Ie5WL8ulltH9B/9z+wuDaqXF8DWTlpaIeuvS4d1Ra1b0GTsaH7VENE+XMK3WZWntPCadJjbr4T5sZO55\
    c7U5pN2ZmHMCgYEA5r85F5t9n2xbgLW92ViIr2j0shf9ral2ICdshIqYe/5ekg/Uq07c/Nf954/XG4U+HYgnTSiZ2f35s1AqWxFV\
    5d9FtTaim5e3nJsrVWjgLXqmjZetaT/GtbgyItSnQ+kmHr+n3KsI/+ZF9Z4JdeF+hwhV4FOzD1AfHOtuho2YuiMCgYEA5HYd/s1e\
    Kk40DlkUF4MQBvzb1bXSnQstsBqjnJHr+dXiYsmHQ5FFtL5sMTHdjAJ5ndcrs1NUB4Zj28TaMUtQ9ormvletVDafIBse2utr65on\
    sBXzgTyj4XJ3RTo3rHjZ9rlzQQtsXLfbix52BxKRrEl2OWJg1IzP1SF9290xZ/MCgYEAmLbKJFOmapKeZKrjwSsVG3KNMCksnXjg\
    UxuEeJv5m2aYVHbhu5bwLu8Mfer25KHkoEryJ+DNIjcywXg28BqjDQYd7ncAW5Wn0Z/oqBhG9hKMlH1kKZop+y6zD9ZJ9Woi7orN\
    oAAabrKKbqpvfHMG+HuNym/avDG8xbkTZz3jbJ0CgYBOhoLc173sEKE35UpQoo3ZuQPeuvY/YF49z4o5ALb5UpjTl61UfhRVgbYy\
    Wo9p1lfy9shghN23EGw2V70fgGG9vBR/jCdZcMTVBj1exdh8TKojjgf6fdteXDe+pboJICja8vc4fjKq0880TC4JVEqZy05FfxkF\
    Nbkh6rcV4TtgHQKBgAm/PGstF6V/Xw8MXGFpu6mXcT7ITxoX/JmO38xhHbDAMwLe/R49w/Q+CX1BgKc35tv7OK5QxYyWBBIhK6dU\
    7Z2M3M9V20dx8ZStWJNtW/eXa1Se6oWOICjIGCZNrn+1/zaYS36zIMoBW0zxjcP4o/s+xKxqP3o9q+h32N6LYMa4";

/// An issuer with a key of every kind, and the file in which it publishes them.
pub(crate) struct Issuer {
    pub(crate) dir: tempfile::TempDir,
    secret: Vec<u8>,
    ec: Vec<u8>,
    ed: Vec<u8>,
    rsa: Vec<u8>,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let issuer = Self {
            dir: tempfile::tempdir().unwrap(),
            secret: b"a secret that has thirty-two bytes or more".to_vec(),
            ec: ec.as_ref().to_vec(),
            ed: ed.as_ref().to_vec(),
            rsa: base64::engine::general_purpose::STANDARD.decode(RSA).unwrap(),
        };
        issuer.publish(&issuer.keys());
        issuer
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("keys.json")
    }

    /// Replaces the published keys.
    pub(crate) fn publish(&self, keys: &[Value]) {
        let beside = self.dir.path().join("beside");
        std::fs::write(&beside, json!({ "keys": keys }).to_string()).unwrap();
        std::fs::rename(beside, self.file()).unwrap();
    }

    /// Its public keys, and the secret one that it shares.
    pub(crate) fn keys(&self) -> Vec<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.ec, &SystemRandom::new()).unwrap();
        let point = ec.public_key().as_ref();
        let ed = Ed25519KeyPair::from_pkcs8(&self.ed).unwrap();
        let rsa = PublicKeyComponents::<Vec<u8>>::from(RsaKeyPair::from_der(&self.rsa).unwrap().public());
        vec![
            json!({"kty": "oct", "kid": "hs", "alg": "HS256", "k": text(&self.secret)}),
            json!({"kty": "EC", "kid": "es", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])}),
            json!({"kty": "OKP", "kid": "ed", "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": text(ed.public_key().as_ref())}),
            json!({"kty": "RSA", "kid": "rs", "use": "sig", "n": text(&rsa.n), "e": text(&rsa.e)}),
            json!({"kty": "RSA", "kid": "encryption", "use": "enc", "n": text(&rsa.n), "e": text(&rsa.e)}),
        ]
    }

    /// What a node has to be told to believe it.
    pub(crate) fn auth(&self) -> AuthOptions {
        let mut jwt = JwtOptions::new(self.file(), "abide");
        jwt.issuer = vec!["https://login.example".into()];
        AuthOptions { jwt: Some(jwt), ..AuthOptions::default() }
    }

    /// Signs claims with the key of this id.
    pub(crate) fn sign(&self, id: &str, claims: &Value) -> String {
        self.sign_as(id, Some(id), claims)
    }

    /// The same; the token says that it is signed with another key, or does not say.
    pub(crate) fn sign_as(&self, id: &str, said: Option<&str>, claims: &Value) -> String {
        let (algorithm, key) = match id {
            "hs" => (Algorithm::HS256, EncodingKey::from_secret(&self.secret)),
            "es" => (Algorithm::ES256, EncodingKey::from_ec_der(&self.ec)),
            "ed" => (Algorithm::EdDSA, EncodingKey::from_ed_der(&self.ed)),
            "rs" => (Algorithm::RS256, EncodingKey::from_rsa_der(&self.rsa)),
            other => panic!("there is no key {other}"),
        };
        let mut header = Header::new(algorithm);
        header.kid = said.map(str::to_owned);
        encode(&header, claims, &key).unwrap()
    }

    /// A good token.
    pub(crate) fn token(&self, subject: &str, roles: &[&str]) -> String {
        self.sign("es", &claims(subject, roles))
    }

    /// A good token of somebody in a tenant.
    pub(crate) fn token_in(&self, tenant: &str, subject: &str, roles: &[&str]) -> String {
        let mut claims = claims(subject, roles);
        claims["namespace"] = json!(tenant);
        self.sign("es", &claims)
    }
}

/// What a good token says.
pub(crate) fn claims(subject: &str, roles: &[&str]) -> Value {
    json!({
        "iss": "https://login.example", "aud": "abide", "sub": subject, "roles": roles,
        "exp": get_current_timestamp() + 600, "iat": get_current_timestamp(),
    })
}

/// A token put together by hand.
pub(crate) fn by_hand(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()), text(signature))
}
