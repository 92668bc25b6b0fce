//! Errors as gRPC tells them.

use abide_core::{Code, Error, frame::ErrorFrame};
use tonic::{
    Code as Grpc, Status,
    metadata::{MetadataMap, MetadataValue},
};

/// Where the code and the whole error are, beside the status.
pub(super) const CODE: &str = "abide-code";
pub(super) const ERROR: &str = "abide-error-bin";

/// The status of an error: its sentence, its code as metadata, and the whole of it as the JSON of an `error` frame.
pub(crate) fn status(error: &Error) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(CODE, MetadataValue::from_static(error.code().as_str()));
    let whole = serde_json::to_vec(&ErrorFrame::new(None, error)).unwrap_or_default();
    metadata.insert_bin(ERROR, MetadataValue::from_bytes(&whole));
    Status::with_metadata(grpc(error.code()), error.detail().to_owned(), metadata)
}

fn grpc(code: Code) -> Grpc {
    match code {
        Code::BadRequest | Code::UnsupportedMedia => Grpc::InvalidArgument,
        Code::Unauthenticated => Grpc::Unauthenticated,
        Code::Denied => Grpc::PermissionDenied,
        Code::NotFound | Code::UnknownKind | Code::UnknownHandler => Grpc::NotFound,
        Code::Rejected => Grpc::FailedPrecondition,
        Code::Conflict | Code::Deadlock => Grpc::Aborted,
        Code::TooLarge => Grpc::OutOfRange,
        Code::Overloaded | Code::RateLimited => Grpc::ResourceExhausted,
        Code::Unavailable => Grpc::Unavailable,
        Code::Deadline => Grpc::DeadlineExceeded,
        Code::Internal => Grpc::Internal,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_code_has_a_status_that_keeps_all_of_the_error() {
        let mut codes = BTreeMap::new();
        for code in Code::ALL {
            let error = Error::new(code, "the sentence ü").maybe_applied(true).with_data(serde_json::json!({"a": 1}));
            let status = status(&error);
            assert_eq!(status.message(), "the sentence ü");
            assert_eq!(status.metadata().get(CODE).unwrap(), code.as_str());
            let whole = status.metadata().get_bin(ERROR).unwrap().to_bytes().unwrap();
            assert_eq!(Error::from(serde_json::from_slice::<ErrorFrame>(&whole).unwrap()), error);
            codes.insert(code.as_str(), status.code());
        }
        assert_eq!(codes["rejected"], Grpc::FailedPrecondition);
        assert!(codes.values().all(|code| !matches!(code, Grpc::Ok | Grpc::Unknown)));
    }
}
