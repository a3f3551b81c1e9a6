//! What a session with two-octet AS numbers says in two attributes (RFC 6793 §4.2.3).

use crate::attribute::{Aggregator, AsPath, Attribute, Segment, SegmentKind};
use crate::open::AS_TRANS;

/// AS_PATH of a session with two-octet numbers, with what AS4_PATH knows better (RFC 6793 §4.2.3).
///
/// The front of AS_PATH, as far as it is longer, then AS4_PATH; AS_PATH alone if it is the shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedPath<'a> {
    /// So many hops of the path come first.
    lead: usize,
    path: AsPath<'a>,
    path4: Option<AsPath<'a>>,
}

impl<'a> MergedPath<'a> {
    fn new(path: AsPath<'a>, path4: Option<AsPath<'a>>) -> Self {
        let lead = path4.map(|path4| path.hops().checked_sub(path4.hops()));
        match lead {
            Some(Some(lead)) => Self { lead, path, path4 },
            _ => Self { lead: usize::MAX, path, path4: None },
        }
    }

    /// The segments, the nearest first. Of AS4_PATH those of a confederation are left out (RFC 6793 §4.2.3).
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let mut left = self.lead;
        let front = self.path.segments().map_while(move |mut segment| {
            match segment.kind {
                // Confederation segments count as no hop, and stay with what precedes them.
                SegmentKind::CONFED_SEQUENCE | SegmentKind::CONFED_SET => Some(segment),
                _ if left == 0 => None,
                SegmentKind::SET => {
                    left -= 1;
                    Some(segment)
                }
                _ => {
                    let len = segment.asns.len().min(left);
                    left -= len;
                    segment.asns = segment.asns.first(len);
                    Some(segment)
                }
            }
        });
        let path4 = self.path4.unwrap_or(AsPath::EMPTY);
        front.chain(path4.segments().filter(|segment| segment.kind.get() <= 2))
    }

    /// All AS numbers, whatever their segment.
    pub fn asns(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.segments().flat_map(|segment| segment.asns)
    }
}

/// The path that these attributes describe; `None` if AS_PATH is not among them.
pub(crate) fn path<'a>(
    attributes: impl Iterator<Item = Attribute<'a>>,
    four_octet_as: bool,
) -> Option<MergedPath<'a>> {
    let (mut path, mut path4) = (None, None);
    let (mut aggregator, mut aggregator4) = (None, None);
    for attribute in attributes {
        match attribute {
            Attribute::AsPath(found) => path = Some(found),
            Attribute::As4Path(found) => path4 = Some(found),
            Attribute::Aggregator(found) => aggregator = Some(found),
            Attribute::As4Aggregator(found) => aggregator4 = Some(found),
            _ => {}
        }
    }
    // An aggregator with a two-octet number of its own came later than what is in the two attributes.
    let later =
        aggregator.is_some_and(|found: Aggregator| found.asn != AS_TRANS.into()) && aggregator4.is_some();
    let path4 = path4.filter(|_| !four_octet_as && !later);
    path.map(|path| MergedPath::new(path, path4))
}

/// Who formed the aggregate: AGGREGATOR, or AS4_AGGREGATOR where the former says `AS_TRANS`.
pub(crate) fn aggregator<'a>(
    attributes: impl Iterator<Item = Attribute<'a>>,
    four_octet_as: bool,
) -> Option<Aggregator> {
    let (mut short, mut long) = (None, None);
    for attribute in attributes {
        match attribute {
            Attribute::Aggregator(found) => short = Some(found),
            Attribute::As4Aggregator(found) => long = Some(found),
            _ => {}
        }
    }
    let short: Aggregator = short?;
    let long = long.filter(|_| !four_octet_as && short.asn == AS_TRANS.into());
    Some(long.unwrap_or(short))
}
