//! The log: standard error, and a file where the configuration names one. Standard output belongs to the protocol.

use std::fs::{self, OpenOptions};
use std::sync::Mutex;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Config;

/// Starts logging. A log file that cannot be opened costs a warning, never the container its network.
pub(crate) fn start(config: &Config) {
    let level = LevelFilter::from_level(config.log_level);
    let file = config.log_file.as_ref().map(|path| {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        OpenOptions::new().create(true).append(true).open(path)
    });
    let (file, problem) = match file {
        Some(Ok(file)) => (Some(file), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let to_stderr = fmt::layer().with_ansi(false).with_target(false).with_writer(std::io::stderr);
    let to_file =
        file.map(|file| fmt::layer().with_ansi(false).with_target(false).with_writer(Mutex::new(file)));
    // Fails only where a subscriber is set already.
    let _ = tracing_subscriber::registry().with(level).with(to_stderr).with(to_file).try_init();
    if let Some(error) = problem {
        tracing::warn!(%error, path = ?config.log_file, "the log file cannot be opened");
    }
}
