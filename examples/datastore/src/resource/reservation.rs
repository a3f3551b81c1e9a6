//! `IPReservation`: ranges that addresses are not assigned from.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::field::FieldError;
use super::text;
use super::{Kind, Metadata, Unknown};

/// `spec` of an `IPReservation`. Ranges may overlap; what is assigned already stays.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/ipreservation.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct IpReservationSpec {
    /// CIDRs and addresses, as they were written.
    #[serde(
        default,
        rename = "reservedCIDRs",
        deserialize_with = "text::null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub reserved_cidrs: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl IpReservationSpec {
    /// The ranges, each or what is wrong with it: one that cannot be read does not undo the others.
    pub fn ranges(&self) -> impl Iterator<Item = Result<IpNet, FieldError>> {
        self.reserved_cidrs.iter().enumerate().map(|(index, text)| {
            let wrong = |message| FieldError::new(format!("spec.reservedCIDRs[{index}]"), message);
            text::parse_cidr_or_ip(text).map_err(wrong)
        })
    }
}

impl Kind for IpReservationSpec {
    const KIND: &'static str = "IPReservation";
    const PLURAL: &'static str = "ipreservations";
    const NAMESPACED: bool = false;

    fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
        self.ranges().filter_map(Result::err).collect()
    }

    fn unknown_fields(&self) -> Vec<String> {
        self.unknown.keys().map(|name| format!("spec.{name}")).collect()
    }
}
