//! Choices that are no policy.

use alloc::string::{String, ToString};

/// What becomes of a packet from a workload to its host that the workload's egress policy allows.
///
/// Source: calico@87c15906f2 felix config `DefaultEndpointToHostAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostAction {
    /// It is dropped.
    #[default]
    Drop,
    /// It is accepted.
    Accept,
    /// It is left to other rules of the host. There are none here, so those of others have the last word.
    Return,
}

/// Choices for the text, all with a default.
///
/// # Example
///
/// ```
/// use tortie_policy::nftables::{HostAction, Options};
///
/// let options = Options::default().workload_prefix("tap")?.endpoint_to_host(HostAction::Accept);
/// assert!(Options::default().workload_prefix("a b").is_err());
/// # Ok::<(), tortie_policy::nftables::OptionsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) workload_prefix: String,
    pub(super) endpoint_to_host: HostAction,
    pub(super) log_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workload_prefix: "cali".to_string(),
            endpoint_to_host: HostAction::default(),
            log_prefix: "calico-packet: ".to_string(),
        }
    }
}

/// Why a text cannot stand in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The prefix of interfaces is not 1 to 14 of `[a-zA-Z0-9_.-]`.
    #[error("prefix of workload interfaces is not of 1 to 14 of [a-zA-Z0-9_.-]")]
    WorkloadPrefix,
    /// The prefix of log lines is longer than 127 bytes, or has characters that are not printable ASCII, quotes or
    /// backslashes.
    #[error(
        "prefix of log lines is not of up to 127 printable ASCII characters without quotes and backslashes"
    )]
    LogPrefix,
}

impl Options {
    /// How the names of workload interfaces begin; by default `cali`. What has this prefix and no endpoint is dropped.
    ///
    /// # Errors
    ///
    /// [`OptionsError::WorkloadPrefix`]: not 1 to 14 of `[a-zA-Z0-9_.-]`.
    pub fn workload_prefix(mut self, prefix: &str) -> Result<Self, OptionsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !(1..=14).contains(&prefix.len()) || !prefix.bytes().all(plain) {
            return Err(OptionsError::WorkloadPrefix);
        }
        self.workload_prefix = prefix.to_string();
        Ok(self)
    }

    /// What becomes of packets from workloads to their host that policy allows; by default they are dropped.
    #[must_use]
    pub const fn endpoint_to_host(mut self, action: HostAction) -> Self {
        self.endpoint_to_host = action;
        self
    }

    /// How the kernel's log lines for Log rules begin; by default `calico-packet: `.
    ///
    /// # Errors
    ///
    /// [`OptionsError::LogPrefix`]: more than 127 bytes, or other than printable ASCII without quotes and backslashes.
    pub fn log_prefix(mut self, prefix: &str) -> Result<Self, OptionsError> {
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
        if prefix.len() > 127 || !prefix.bytes().all(plain) {
            return Err(OptionsError::LogPrefix);
        }
        self.log_prefix = prefix.to_string();
        Ok(self)
    }
}
