use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{fuzz, jwt::KeySet};

fn oct(id: &str, bytes: usize) -> Value {
    json!({"kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(vec![7; bytes])})
}

fn parse(keys: &[Value]) -> Result<KeySet, String> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

#[test]
fn keys_that_cannot_be_used_are_left_out_and_said() {
    for (key, word) in [
        (oct("a", 31), "31 bytes"),
        (json!({"kty": "oct", "kid": "a", "alg": "HS512", "k": "aaaa"}), "HS512"),
        (json!({"kty": "EC", "kid": "a", "crv": "P-384", "x": "AA", "y": "AA"}), "none of"),
        (json!({"kty": "EC", "kid": "a", "crv": "secp256k1", "x": "AA", "y": "AA"}), "none of"),
        (json!({"kty": "RSA", "kid": "a", "alg": "RSA-OAEP", "n": "AA", "e": "AA"}), "does not take"),
        (json!({"kty": "RSA", "kid": "a", "use": "enc", "n": "AA", "e": "AA"}), "signatures"),
        (json!({"kty": "RSA", "kid": "a", "n": "A A", "e": "AA"}), "base64"),
        (json!({"kty": "RSA", "kid": "a"}), ""),
        (json!(7), ""),
    ] {
        let alone = parse(std::slice::from_ref(&key)).err().unwrap();
        assert!(alone.contains("no key that can be used"), "{key}: {alone}");
        let set = parse(&[oct("good", 32), key.clone()]).unwrap();
        assert!(
            set.unused.len() == 1 && set.unused[0].to_lowercase().contains(&word.to_lowercase()),
            "{:?}",
            set.unused
        );
    }
}

#[test]
fn a_set_that_is_none_or_contradicts_itself_is_refused() {
    for text in ["", "{}", "[]", r#"{"keys": {}}"#, r#"{"keys": [}"#] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse(&[oct("a", 32), oct("a", 33)]).err().unwrap().contains("two of its keys"));
    assert!(parse(&vec![oct("a", 32); 1001]).err().unwrap().contains("1001"));
    assert!(parse(&[]).is_ok(), "nobody is trusted any more");
}

proptest! {
    #[test]
    fn nobody_is_believed_who_has_no_key(text in r"(abide-|Bearer )?[\PC.]{0,40}(\.[A-Za-z0-9_-]{0,30}){0,3}") {
        prop_assert!(!fuzz::believed(&text));
    }

    #[test]
    fn no_bytes_do_harm_as_keys(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::key_set(&bytes);
    }

    #[test]
    fn nobody_owns_what_is_not_below_its_name(subject in r"[ab*/{}\\]{0,4}|\PC{0,6}", rest in r"[ab/]{0,4}|\PC{0,6}", own in any::<bool>()) {
        let name = if own { format!("{subject}/{rest}") } else { rest };
        prop_assert!(fuzz::owns(&subject, &name));
    }
}
