//! What becomes of a handler's own error on its way to the caller.
//!
//! A handler may fail with any type. Abide's own [`Error`] passes through as it is; any other that can
//! be displayed becomes a rejection with that text, and its JSON form, if it has one, is the data that
//! callers get back with [`Error::rejection`]. `#[object]` writes `Rejection(error).into_error()`, and
//! method resolution picks the first of the three that fits: the inherent method, the trait on the
//! value, the trait on a reference to it.

use std::fmt::Display;

use abide_core::Error;
use serde::Serialize;

/// The error of a handler.
pub struct Rejection<E>(pub E);

impl Rejection<Error> {
    /// Abide's own error, as it is: what a called object answered reaches the caller unchanged.
    pub fn into_error(self) -> Error {
        self.0
    }
}

impl Rejection<Box<dyn std::error::Error + Send + Sync>> {
    /// Abide's own error if that is what is inside, else a rejection with the error's text.
    pub fn into_error(self) -> Error {
        match self.0.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => Error::rejected(other.to_string()),
        }
    }
}

/// An error that is data as well as text.
pub trait RejectionWithData {
    /// A rejection with the error's text and data.
    fn into_error(self) -> Error;
}

impl<E: Display + Serialize> RejectionWithData for Rejection<E> {
    fn into_error(self) -> Error {
        let error = Error::rejected(self.0.to_string());
        match serde_json::to_value(&self.0) {
            Ok(data) => error.with_data(data),
            Err(_) => error,
        }
    }
}

/// An error that is only text.
pub trait RejectionWithText {
    /// The type of the error.
    type Reason;

    /// A rejection with the error's text.
    fn into_error(self) -> Error
    where
        Self::Reason: Reason;
}

impl<E> RejectionWithText for &Rejection<E> {
    type Reason = E;

    fn into_error(self) -> Error
    where
        E: Reason,
    {
        Error::rejected(self.0.sentence())
    }
}

/// What a handler may fail with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    label = "a caller could not read this error",
    note = "implement `Display` for `{Self}`, for example with `#[derive(thiserror::Error)]`; derive `Serialize` too, and callers get its data"
)]
pub trait Reason {
    /// The text for people.
    fn sentence(&self) -> String;
}

impl<E: Display> Reason for E {
    fn sentence(&self) -> String {
        self.to_string()
    }
}

/// A `Result`, whatever alias it is written as.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is named like a `Result` but is none",
    note = "a handler whose type is called `Result`, or `…Result<…>`, can fail: give a type that is just an answer another name"
)]
pub trait Fallible {
    /// What it holds if all went well.
    type Output;
}

impl<T, E> Fallible for Result<T, E> {
    type Output = T;
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use abide_core::Code;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Short {
        missing: u32,
    }

    impl Display for Short {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} are missing", self.missing)
        }
    }

    #[test]
    fn abides_own_error_passes_through_with_its_code() {
        let error = Rejection(Error::unavailable("the store is away")).into_error();
        assert_eq!((error.code(), error.detail()), (Code::Unavailable, "the store is away"));
    }

    #[test]
    fn abides_own_error_passes_through_a_box() {
        let inner = Error::new(Code::Denied, "not yours");
        let error = Rejection(Box::<dyn std::error::Error + Send + Sync>::from(inner)).into_error();
        assert_eq!(error.code(), Code::Denied);
        let error = Rejection(Box::<dyn std::error::Error + Send + Sync>::from("no")).into_error();
        assert_eq!((error.code(), error.detail()), (Code::Rejected, "no"));
    }

    #[test]
    fn an_error_that_serializes_brings_its_data_to_the_caller() {
        let error = Rejection(Short { missing: 3 }).into_error();
        assert_eq!((error.code(), error.detail()), (Code::Rejected, "3 are missing"));
        assert_eq!(error.data(), Some(&json!({"missing": 3})));
        assert_eq!(error.rejection::<Short>(), Some(Short { missing: 3 }));
    }

    #[test]
    fn an_error_that_is_only_displayed_brings_its_text() {
        let broken = "x".parse::<i32>().unwrap_err();
        let error = Rejection(broken).into_error();
        assert_eq!((error.code(), error.detail()), (Code::Rejected, "invalid digit found in string"));
        assert_eq!(error.data(), None);
    }

    #[test]
    fn an_error_whose_data_cannot_be_encoded_keeps_its_text() {
        struct Odd;
        impl Display for Odd {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("odd")
            }
        }
        impl Serialize for Odd {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("never"))
            }
        }
        let error = Rejection(Odd).into_error();
        assert_eq!((error.detail(), error.data()), ("odd", None));
    }
}
