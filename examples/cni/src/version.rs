//! Versions of the CNI specification that this plugin speaks.
//!
//! A version is advertised only when every verb it defines is there. CHECK came with 0.4.0 and GC and STATUS with
//! 1.1.0, so the list ends before 0.4.0: those versions have ADD, DEL and (since 0.2.0) VERSION, and nothing else.

use core::fmt;

/// One supported version of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// 0.1.0: results of the form `ip4`, `ip6`.
    V0_1_0,
    /// 0.2.0: as 0.1.0, and the VERSION verb.
    V0_2_0,
    /// 0.3.0: results as lists of interfaces, addresses and routes; chains of plugins.
    V0_3_0,
    /// 0.3.1: as 0.3.0.
    V0_3_1,
}

impl Version {
    /// Every supported version, oldest first.
    pub(crate) const ALL: [Self; 4] = [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1];

    /// The newest supported version, which unversioned answers carry.
    pub(crate) const NEWEST: Self = Self::V0_3_1;

    /// What a configuration without `cniVersion` means (calico@87c15906f2 cni-plugin/pkg/plugin).
    pub(crate) const UNSTATED: Self = Self::V0_2_0;

    /// The version as written in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
        }
    }

    /// The supported version with that text, if there is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether results list interfaces, and plugins pass `prevResult` on.
    pub(crate) fn has_lists(self) -> bool {
        self >= Self::V0_3_0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_without_check_are_supported() {
        for newer in ["0.4.0", "1.0.0", "1.1.0", "", "0.3", "v0.3.1"] {
            assert_eq!(Version::parse(newer), None, "{newer}");
        }
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str()), Some(version));
        }
    }
}
