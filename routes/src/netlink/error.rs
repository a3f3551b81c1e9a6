//! What can go wrong between this process and the kernel.

use std::borrow::Cow;

use crate::Errno;

/// An operation on links, namespaces or sockets that failed: which one, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action}: {kind}")]
pub struct Error {
    action: Cow<'static, str>,
    #[source]
    kind: ErrorKind,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel said no.
    #[error("{0}")]
    Kernel(Errno),
    /// There is no interface of that name or index.
    #[error("no such interface")]
    NoSuchLink,
    /// No answer came in time; whether the operation was done is not known.
    #[error("no answer from the kernel within {} seconds", super::TIMEOUT.as_secs())]
    TimedOut,
    /// The connection's task or socket is gone (the runtime that it ran on has stopped): open a new one.
    #[error("the netlink connection is closed")]
    Closed,
    /// The call needs a tokio runtime with I/O and time enabled, and was made outside of one.
    #[error("not inside a tokio runtime")]
    NoRuntime,
    /// A message of the kernel could not be understood.
    #[error("unexpected answer from the kernel")]
    Unexpected,
    /// The kernel's list changed while it was being read, at every attempt.
    #[error("the list kept changing while it was read")]
    Interrupted,
    /// An interface name that the kernel cannot have: empty, longer than 15 octets, `.`, `..`, or with a slash, colon or
    /// white space.
    #[error("not an interface name")]
    BadName,
    /// A thread could not be started, or died.
    #[error("a helper thread failed")]
    Thread,
}

impl Error {
    pub(crate) fn new(action: impl Into<Cow<'static, str>>, kind: ErrorKind) -> Self {
        Self { action: action.into(), kind }
    }

    pub(crate) fn io(action: impl Into<Cow<'static, str>>, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().map_or(Errno::EINVAL, Errno::new);
        Self::new(action, ErrorKind::Kernel(errno))
    }

    pub(crate) fn os(action: impl Into<Cow<'static, str>>, error: rustix::io::Errno) -> Self {
        Self::new(action, ErrorKind::Kernel(Errno::new(error.raw_os_error())))
    }

    /// Why.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The kernel's error number, if it was the kernel that refused.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self.kind {
            ErrorKind::Kernel(errno) => Some(errno),
            _ => None,
        }
    }

    /// Whether what should be created is there already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.errno() == Some(Errno::EEXIST)
    }

    /// Whether what should be changed or deleted is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NoSuchLink
            || matches!(
                self.errno(),
                Some(Errno::ENOENT | Errno::ESRCH | Errno::ENODEV | Errno::EADDRNOTAVAIL)
            )
    }
}
