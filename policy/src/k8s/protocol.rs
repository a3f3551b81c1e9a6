//! Protocols and ports that policies of clusters speak of.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::draft::exactly_one;
use super::port::{Item, Layer4, Ports};
use crate::convert::check::{Check, Path};
use crate::model::Unknown;

/// A protocol with ports of it; one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct ClusterProtocol {
    /// TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<DestinationPort>,
    /// UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<DestinationPort>,
    /// SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp: Option<DestinationPort>,
    /// What the receiving pod calls its port, of whichever protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_named_port: Option<String>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports of the receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct DestinationPort {
    /// Which; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<NumberOrRange>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One port or a range of them; one of the fields is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct NumberOrRange {
    /// From 1 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// From one to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<StartEnd>,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Ports from one to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct StartEnd {
    /// The first, from 1 to 65535.
    pub start: i64,
    /// The last, from 1 to 65535.
    pub end: i64,
    /// Criteria that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl ClusterProtocol {
    pub(super) fn convert(&self, check: &mut Check, path: &Path<'_>, out: &mut Ports) {
        check.unknown(path, &self.unknown);
        let Self { tcp, udp, sctp, destination_named_port: name, .. } = self;
        let fields = [
            ("tcp", tcp.is_some()),
            ("udp", udp.is_some()),
            ("sctp", sctp.is_some()),
            ("destinationNamedPort", name.is_some()),
        ];
        if !exactly_one(check, path, &fields, "tcp, udp, sctp or destinationNamedPort") {
            return;
        }
        if let Some(name) = name {
            if let Some(item) = Item::named(check, &path.field("destinationNamedPort"), name) {
                out.insert(Layer4::Any, item);
            }
        }
        for (name, protocol, ports) in
            [("tcp", Layer4::Tcp, tcp), ("udp", Layer4::Udp, udp), ("sctp", Layer4::Sctp, sctp)]
        {
            let Some(ports) = ports else { continue };
            let path = path.field(name);
            check.unknown(&path, &ports.unknown);
            let item = match &ports.destination_port {
                None => Some(Item::All),
                Some(port) => port.convert(check, &path.field("destinationPort")),
            };
            if let Some(item) = item {
                out.insert(protocol, item);
            }
        }
    }
}

impl NumberOrRange {
    fn convert(&self, check: &mut Check, path: &Path<'_>) -> Option<Item> {
        check.unknown(path, &self.unknown);
        let fields = [("number", self.number.is_some()), ("range", self.range.is_some())];
        if !exactly_one(check, path, &fields, "number or range") {
            return None;
        }
        if let Some(number) = self.number {
            return Item::number(check, &path.field("number"), number);
        }
        let (path, range) = (path.field("range"), self.range.as_ref()?);
        check.unknown(&path, &range.unknown);
        Item::range(check, &path, ["start", "end"], [range.start, range.end])
    }
}
