//! The Linux kernel itself: routes, links, addresses, neighbours and namespaces, over netlink (feature `netlink`).
//!
//! All of it needs a tokio runtime with I/O and time enabled, except [`netns`] and [`sysctl`], which block.

use core::time::Duration;

mod driver;
mod error;
mod kernel;
mod link;
mod links;
mod message;
pub mod netns;
mod socket;
pub mod sysctl;
mod system;

pub use self::driver::Driver;
pub use self::error::{Error, ErrorKind};
pub use self::kernel::Kernel;
pub use self::link::{Address, Link, Neighbour};
pub use self::links::{Links, Veth};
pub use self::netns::NetNs;

/// How long a request to the kernel may go without an answer. The kernel answers in microseconds, or, where an answer was
/// lost, never.
const TIMEOUT: Duration = Duration::from_secs(10);
