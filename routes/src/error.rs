//! The kernel's error numbers.

use core::fmt;

/// An error number of the kernel (`errno`), positive. Unknown numbers are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(i32);

impl Errno {
    /// Not permitted: the caller lacks `CAP_NET_ADMIN`.
    pub const EPERM: Self = Self(1);
    /// No such table, interface name or file.
    pub const ENOENT: Self = Self(2);
    /// No such route.
    pub const ESRCH: Self = Self(3);
    /// Interrupted.
    pub const EINTR: Self = Self(4);
    /// Nothing to read now.
    pub const EAGAIN: Self = Self(11);
    /// Busy.
    pub const EBUSY: Self = Self(16);
    /// The key is taken.
    pub const EEXIST: Self = Self(17);
    /// No such interface.
    pub const ENODEV: Self = Self(19);
    /// Refused as malformed; also how the kernel refuses a gateway that is on no link.
    pub const EINVAL: Self = Self(22);
    /// No such address on the interface.
    pub const EADDRNOTAVAIL: Self = Self(99);
    /// The interface is down.
    pub const ENETDOWN: Self = Self(100);
    /// The gateway is on no link.
    pub const ENETUNREACH: Self = Self(101);
    /// Notifications were lost.
    pub const ENOBUFS: Self = Self(105);
    /// The gateway is on no link (IPv6).
    pub const EHOSTUNREACH: Self = Self(113);

    /// The error of this (positive) number.
    #[must_use]
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Whether it says that the interface is going or gone: not an error but news about a link.
    #[must_use]
    pub const fn is_link_gone(self) -> bool {
        matches!(self, Self::ENODEV | Self::ENETDOWN)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::EPERM => "operation not permitted",
            Self::ENOENT => "no such file or table",
            Self::ESRCH => "no such route or process",
            Self::EINTR => "interrupted",
            Self::EAGAIN => "try again",
            Self::EBUSY => "busy",
            Self::EEXIST => "already exists",
            Self::ENODEV => "no such interface",
            Self::EINVAL => "invalid argument",
            Self::EADDRNOTAVAIL => "no such address",
            Self::ENETDOWN => "interface is down",
            Self::ENETUNREACH => "network unreachable",
            Self::ENOBUFS => "no buffer space",
            Self::EHOSTUNREACH => "no route to host",
            _ => "refused by the kernel",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (errno {})", self.text(), self.0)
    }
}

impl core::error::Error for Errno {}
