//! Messages out of raw bytes, for fuzzing: such as can be encoded, and then decode to themselves.

use arbitrary::{Arbitrary, Error, Result, Unstructured};

use crate::bmp::information::{Initiation, RouteMirroring, Termination};
use crate::bmp::message::{Message, MessageType, RouteMonitoring};
use crate::bmp::peer::{PeerFlags, PeerHeader, PeerType};
use crate::bmp::session::{PeerDown, PeerUp};
use crate::bmp::statistics::{Statistic, StatisticsReport};
use crate::fields::Fields;
use crate::nlri::RouteDistinguisher;
use crate::tlv::Tlv;

/// Of any type of peer, with any flags.
impl<'a> Arbitrary<'a> for PeerHeader {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut peer = Self::loc_rib(bytes.arbitrary()?, bytes.arbitrary()?);
        peer.kind = PeerType::new(bytes.arbitrary()?);
        peer.flags = PeerFlags::new(bytes.arbitrary()?);
        peer.distinguisher = RouteDistinguisher::new(bytes.arbitrary()?);
        peer.address_octets = bytes.arbitrary()?;
        Ok(peer.at(bytes.arbitrary()?, bytes.arbitrary()?))
    }
}

/// Any message. Lists have entries as the bytes have them; both OPENs of a Peer Up are the shortest there is.
impl<'a> Arbitrary<'a> for Message<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let list = |bytes: &mut Unstructured<'a>| crate::entries::arbitrary::<Tlv<'a>>(bytes, false);
        Ok(match bytes.int_in_range(0..=7)? {
            0 => Self::RouteMonitoring(RouteMonitoring::new(bytes.arbitrary()?, bytes.arbitrary()?)),
            1 => {
                let mut report = StatisticsReport::new(bytes.arbitrary()?, &[]);
                report.statistics = crate::entries::arbitrary::<Statistic<'a>>(bytes, false)?;
                Self::StatisticsReport(report)
            }
            2 => {
                let peer = bytes.arbitrary()?;
                let mut reason = Fields::new(bytes.arbitrary()?, 0);
                let reason = PeerDown::reason(&mut reason).map_err(|_| Error::IncorrectFormat)?;
                Self::PeerDown(PeerDown::new(peer, reason))
            }
            3 => {
                let mut up = PeerUp::new(bytes.arbitrary()?, [0; 4].into(), &OPEN, &OPEN);
                (up.local_octets, up.local_port, up.remote_port) = bytes.arbitrary()?;
                up.information = list(bytes)?;
                Self::PeerUp(up)
            }
            4 => Self::Initiation(Initiation { information: list(bytes)? }),
            5 => Self::Termination(Termination { information: list(bytes)? }),
            6 => Self::RouteMirroring(RouteMirroring { peer: bytes.arbitrary()?, information: list(bytes)? }),
            _ => {
                let kind = MessageType::new(bytes.int_in_range(7..=u8::MAX)?);
                Self::Unknown { kind, body: bytes.arbitrary()? }
            }
        })
    }
}

/// An OPEN of AS 64512 without capabilities.
const OPEN: [u8; 29] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 29, 1,
    4, 0xfc, 0, 0, 90, 192, 0, 2, 1, 0,
];
