//! Network namespaces: naming them, entering them, doing a piece of work inside one.
//!
//! A thread belongs to one namespace. Nothing here moves the caller's thread: work inside a namespace is done by a fresh
//! thread that ends with it. Sockets opened there stay in that namespace wherever they are used.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use rustix::mount::UnmountFlags;
use rustix::thread::LinkNameSpaceType;

use super::system::unshare_network;
use super::{Error, ErrorKind};

/// Where a thread finds the namespace that it is in.
const OWN: &str = "/proc/thread-self/ns/net";

/// An open network namespace. It lives at least as long as this value.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
}

impl NetNs {
    /// The namespace that a path names: a bind mount such as `/run/netns/blue`, or `/proc/<pid>/ns/net`.
    ///
    /// # Errors
    /// The kernel's, if the path cannot be opened. Whether it is a namespace at all shows on first use.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|e| Error::io(format!("open the network namespace {}", path.display()), &e))?;
        Ok(Self { fd: file.into() })
    }

    /// A new network namespace without a name; it has a loopback interface, which is down.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`.
    pub fn create() -> Result<Self, Error> {
        in_thread(|| {
            unshare_network().map_err(|e| Error::os("create a network namespace", e))?;
            Self::current()
        })
    }

    /// The calling thread's namespace.
    ///
    /// # Errors
    /// The kernel's, if `/proc` is not mounted.
    pub fn current() -> Result<Self, Error> {
        Self::open(OWN)
    }

    /// Runs a blocking closure inside this namespace and waits for it.
    ///
    /// ```no_run
    /// use tortie_routes::netlink::NetNs;
    ///
    /// let blue = NetNs::open("/run/netns/blue")?;
    /// let listener = blue.run(|| std::net::TcpListener::bind("10.0.0.2:80"))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The kernel's, if the namespace cannot be entered (`EPERM`, or `EINVAL` for what is none);
    /// [`ErrorKind::Thread`] if the thread cannot be started or the closure panics.
    pub fn run<T: Send>(&self, closure: impl FnOnce() -> T + Send) -> Result<T, Error> {
        in_thread(move || {
            rustix::thread::move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|e| Error::os("enter a network namespace", e))?;
            Ok(closure())
        })
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for NetNs {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

/// Runs a blocking closure inside the namespace at a path and waits for it: [`NetNs::open`] and [`NetNs::run`].
///
/// # Errors
/// Those of [`NetNs::open`] and [`NetNs::run`].
pub fn enter<T: Send>(path: impl AsRef<Path>, closure: impl FnOnce() -> T + Send) -> Result<T, Error> {
    NetNs::open(path)?.run(closure)
}

/// Makes a new network namespace and names it by a bind mount on a new file at this path. For one without a name, see
/// [`NetNs::create`].
///
/// The directory must be there. The name is seen in the caller's mount namespace and wherever its mounts propagate. The
/// new namespace has a loopback interface, which is down.
///
/// # Errors
/// `EEXIST` if there is a file of that name; `EPERM` without `CAP_SYS_ADMIN`. Nothing is left behind on an error.
pub fn create(path: impl AsRef<Path>) -> Result<NetNs, Error> {
    let path = path.as_ref();
    let action = || format!("create the network namespace {}", path.display());
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| Error::io(action(), &e))?;
    let made = in_thread(|| {
        unshare_network().map_err(|e| Error::os(action(), e))?;
        rustix::mount::mount_bind(OWN, path).map_err(|e| Error::os(action(), e))?;
        NetNs::current()
    });
    if made.is_err() {
        // Of the two failures the caller needs to know the first.
        let _ = fs::remove_file(path);
    }
    made
}

/// Removes a namespace's name: the bind mount and its file. The namespace itself ends with its last process and socket.
///
/// # Errors
/// `ENOENT` if there is no such file. A file that is not a mount is removed too.
pub fn delete(path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let action = || format!("delete the network namespace {}", path.display());
    match rustix::mount::unmount(path, UnmountFlags::DETACH) {
        // EINVAL: not a mount, what an interrupted creation leaves.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(Error::os(action(), error)),
    }
    fs::remove_file(path).map_err(|e| Error::io(action(), &e))
}

fn in_thread<T: Send>(closure: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let failed = || Error::new("work in a network namespace", ErrorKind::Thread);
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().name("netns".into()).spawn_scoped(scope, closure).map_err(|_| failed())?;
        thread.join().map_err(|_| failed())?
    })
}
