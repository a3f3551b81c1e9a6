//! Kernel parameters under `/proc/sys/net`, of the calling thread's network namespace.
//!
//! For another namespace, call them inside [`netns::enter`](super::netns::enter).

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::links::check_name;
use super::{Error, ErrorKind};
use crate::Family;

const ROOT: &str = "/proc/sys/net";

/// Writes a parameter by its path below `/proc/sys/net`, for instance `ipv4/ip_forward`.
///
/// # Errors
/// `ENOENT` if there is none of that name, also for paths that lead elsewhere; `EPERM`, `EACCES` or `EROFS` where it
/// may not be written; `EINVAL` for a value that the kernel does not take.
pub fn write(parameter: &str, value: &str) -> Result<(), Error> {
    let action = || format!("write {value:?} to the kernel parameter net/{parameter}");
    let path = path_of(parameter).ok_or_else(|| missing(action()))?;
    fs::write(path, value).map_err(|e| Error::io(action(), &e))
}

/// Reads a parameter by its path below `/proc/sys/net`, without the line's end.
///
/// # Errors
/// `ENOENT` if there is none of that name, also for paths that lead elsewhere.
pub fn read(parameter: &str) -> Result<String, Error> {
    let action = || format!("read the kernel parameter net/{parameter}");
    let path = path_of(parameter).ok_or_else(|| missing(action()))?;
    let text = fs::read_to_string(path).map_err(|e| Error::io(action(), &e))?;
    Ok(text.trim_end().to_owned())
}

/// Writes an interface's parameter: `net/<family>/conf/<interface>/<name>`; the interface may be `all` or `default`.
///
/// ```no_run
/// use tortie_routes::{Family, netlink::sysctl};
///
/// sysctl::write_interface(Family::V4, "cali12", "proxy_arp", "1")?;
/// # Ok::<(), tortie_routes::netlink::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::BadName`] for what cannot be an interface's name; else those of [`write()`].
pub fn write_interface(family: Family, interface: &str, name: &str, value: &str) -> Result<(), Error> {
    check_name(interface, "write an interface's kernel parameter")?;
    write(&format!("{}/conf/{interface}/{name}", folder(family)), value)
}

/// Reads an interface's parameter: `net/<family>/conf/<interface>/<name>`.
///
/// # Errors
/// [`ErrorKind::BadName`] for what cannot be an interface's name; else those of [`read`].
pub fn read_interface(family: Family, interface: &str, name: &str) -> Result<String, Error> {
    check_name(interface, "read an interface's kernel parameter")?;
    read(&format!("{}/conf/{interface}/{name}", folder(family)))
}

/// Writes a parameter of an interface's neighbour table: `net/<family>/neigh/<interface>/<name>`.
///
/// # Errors
/// [`ErrorKind::BadName`] for what cannot be an interface's name; else those of [`write()`].
pub fn write_neighbour(family: Family, interface: &str, name: &str, value: &str) -> Result<(), Error> {
    check_name(interface, "write a kernel parameter of neighbours")?;
    write(&format!("{}/neigh/{interface}/{name}", folder(family)), value)
}

const fn folder(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn missing(action: String) -> Error {
    Error::new(action, ErrorKind::Kernel(crate::Errno::ENOENT))
}

/// Only plain downward steps: a name from outside never leads out of the tree.
fn path_of(parameter: &str) -> Option<PathBuf> {
    let below = Path::new(parameter);
    let plain = !parameter.is_empty() && below.components().all(|c| matches!(c, Component::Normal(_)));
    plain.then(|| Path::new(ROOT).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        assert_eq!(path_of("ipv4/ip_forward"), Some(PathBuf::from("/proc/sys/net/ipv4/ip_forward")));
        for wrong in ["", "/etc/passwd", "ipv4/../../kernel/hostname", "..", "./x"] {
            assert_eq!(path_of(wrong), None, "{wrong}");
        }
        let error = write_interface(Family::V4, "../all", "forwarding", "1").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::BadName);
        assert!(write("../x", "1").unwrap_err().is_not_found());
    }
}
