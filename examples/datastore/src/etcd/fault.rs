//! What an answer that is an error means for the one who asked.

use etcd_client::Error as ClientError;
use tonic::Code;

use crate::Error;

/// Why a call has no answer that can be used.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It was certainly not received, or turned away for now: it may be repeated, a write too.
    NotDone(Reason),
    /// Nobody knows whether it was received.
    Lost(Reason),
    /// It will never be done. Nothing was written.
    Refused(Reason),
    /// Our token is too old: after a new one, it may be repeated.
    Stale(Reason),
    /// The transaction has too many parts.
    TooManyOps,
    /// The revision that was asked about is forgotten.
    Compacted,
    /// The revision that was asked about is not there yet.
    Future,
    /// The answer is larger than we accept.
    TooLarge(Reason),
}

/// What the server or the transport says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Reason(String);

impl Reason {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A message, and what caused it, in one line.
    fn chain(message: &str, error: &(dyn core::error::Error + 'static)) -> Self {
        let mut text = message.to_owned();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(text)
    }
}

/// An answer that no etcd gives; nobody knows what was done.
pub(super) fn malformed(what: &'static str) -> Fault {
    Fault::Lost(Reason(format!("the etcd server's answer makes no sense: {what}")))
}

impl Fault {
    /// The texts are etcd's own, the same in 3.4 to 3.6 (etcd v3.4.23 etcdserver/api/v3rpc/rpctypes/error.go).
    pub(super) fn of(error: &ClientError) -> Self {
        let ClientError::GRpcStatus(status) = error else {
            // Endpoints, certificates, credentials that cannot be sent: nothing has left this process.
            return Self::Refused(Reason::chain(&error.to_string(), error));
        };
        let message = status.message();
        let reason = Reason::chain(if message.is_empty() { "no reason given" } else { message }, status);
        let says = |words: &str| message.contains(words);
        match status.code() {
            _ if is_connect_error(status) => Self::NotDone(reason),
            Code::Unauthenticated => Self::Stale(reason),
            _ if says("revision of auth store is old") => Self::Stale(reason),
            _ if says("too many operations in txn") => Self::TooManyOps,
            Code::ResourceExhausted if says("too many requests") => Self::NotDone(reason),
            Code::OutOfRange if says("has been compacted") => Self::Compacted,
            Code::OutOfRange if says("future revision") => Self::Future,
            // Ours, from the transport: "decoded message length too large".
            Code::OutOfRange => Self::TooLarge(reason),
            Code::InvalidArgument
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::ResourceExhausted
            | Code::Unimplemented => Self::Refused(reason),
            _ => Self::Lost(reason),
        }
    }
}

/// Whether the connection was never made.
fn is_connect_error(status: &tonic::Status) -> bool {
    let mut source = core::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotDone(reason) | Fault::Lost(reason) | Fault::Stale(reason) => Self::unavailable(reason),
            Fault::Refused(reason) | Fault::TooLarge(reason) => Self::refused(reason),
            Fault::TooManyOps => Self::refused(Reason::new("too many operations in one transaction")),
            Fault::Compacted => Self::unavailable(Reason::new("the revision is forgotten: read again")),
            Fault::Future => Self::unavailable(Reason::new("the revision is not there yet: read again")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let name = |code, message: &str| {
            let fault = Fault::of(&ClientError::GRpcStatus(Status::new(code, message)));
            format!("{fault:?}").split('(').next().unwrap_or_default().to_owned()
        };
        for (code, message, want) in [
            (Code::Unauthenticated, "etcdserver: invalid auth token", "Stale"),
            (Code::InvalidArgument, "etcdserver: revision of auth store is old", "Stale"),
            (Code::InvalidArgument, "etcdserver: too many operations in txn request", "TooManyOps"),
            (Code::InvalidArgument, "etcdserver: request is too large", "Refused"),
            (Code::InvalidArgument, "etcdserver: user name is empty", "Refused"),
            (Code::PermissionDenied, "etcdserver: permission denied", "Refused"),
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", "Refused"),
            (Code::ResourceExhausted, "etcdserver: too many requests", "NotDone"),
            (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", "Compacted"),
            (Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision", "Future"),
            (Code::OutOfRange, "Error, decoded message length too large: found 5 bytes", "TooLarge"),
            (Code::Unavailable, "etcdserver: request timed out", "Lost"),
            (Code::Unavailable, "etcdserver: leader changed", "Lost"),
            (Code::Internal, "failed to decode Protobuf message", "Lost"),
            (Code::Unknown, "", "Lost"),
        ] {
            assert_eq!(name(code, message), want, "{message}");
        }
    }
}
