//! The file that was opened, and whether its name still leads to it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// Where the file is, and what tells it from another of its name.
///
/// SQLite goes on with a file that has no name any more, or has another: what is written to it then is seen by nobody else, and
/// goes with the process.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// What has become of the file.
#[derive(Debug, thiserror::Error)]
enum Displaced {
    #[error("its file `{path}` is not there any more: {error}")]
    Gone { path: PathBuf, error: io::Error },
    #[error("another file is in the place of its own, `{path}`")]
    Another { path: PathBuf },
    /// SQLite goes on with what it has in memory and in its log.
    #[error("its file `{path}` is empty: somebody has truncated it")]
    Emptied { path: PathBuf },
}

impl Place {
    /// Of the file that has this name now.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        // As SQLite has it, wherever this process goes.
        let path = std::path::absolute(path).map_err(Error::unavailable)?;
        let found = metadata(&path)?;
        Ok(Self { path, device: found.dev(), inode: found.ino() })
    }

    /// Whether the name leads to the same file, and there is anything in it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]: it does not.
    pub(super) fn check(&self) -> Result<(), Error> {
        let found = metadata(&self.path)?;
        let path = || self.path.clone();
        if (found.dev(), found.ino()) != (self.device, self.inode) {
            return Err(Error::unavailable(Displaced::Another { path: path() }));
        }
        if found.len() == 0 {
            return Err(Error::unavailable(Displaced::Emptied { path: path() }));
        }
        Ok(())
    }
}

fn metadata(path: &Path) -> Result<Metadata, Error> {
    fs::metadata(path).map_err(|error| Error::unavailable(Displaced::Gone { path: path.to_owned(), error }))
}
