//! Filling as few UPDATEs as possible with destinations that share attributes.

use ipnet::IpNet;

use crate::attribute::Attribute;
use crate::build::UpdateBuilder;
use crate::error::EncodeError;
use crate::family::Family;
use crate::nlri::{NextHop, Nlri};
use crate::session::Session;

/// Packs any number of destinations into messages as long as the session allows, one message at a time.
///
/// ```
/// use tortie_bgp_wire::{Attribute, Family, NextHop, Origin, Session, UpdatePacker};
///
/// let (session, attributes) = (Session::default(), [Attribute::Origin(Origin::IGP)]);
/// let prefixes = (0..3000_u32).map(|i| ipnet::Ipv4Net::new((i << 8).into(), 24).unwrap().into());
/// let next_hop = NextHop::Ipv4([192, 0, 2, 1].into());
/// let mut packer = UpdatePacker::announce(&session, Family::IPV4_UNICAST, next_hop, &attributes, prefixes);
/// let (mut buf, mut lens) = ([0; 4096], Vec::new());
/// while let Some(message) = packer.next(&mut buf)? {
///     lens.push(message.len());
/// }
/// assert_eq!(lens, [4094, 4094, 3914]);
/// # Ok::<(), tortie_bgp_wire::EncodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct UpdatePacker<'a, 'n, P> {
    session: &'a Session,
    family: Family,
    /// `None` withdraws.
    announce: Option<(NextHop, &'a [Attribute<'a>])>,
    paths: P,
    /// What did not fit into the last message.
    left: Option<(Option<u32>, Nlri<'n>)>,
}

impl<'a, I: Iterator<Item = IpNet>> UpdatePacker<'a, 'static, Prefixes<I>> {
    /// Announces prefixes; their host bits are cleared.
    pub const fn announce(
        session: &'a Session,
        family: Family,
        next_hop: NextHop,
        attributes: &'a [Attribute<'a>],
        prefixes: I,
    ) -> Self {
        Self {
            session,
            family,
            announce: Some((next_hop, attributes)),
            paths: Prefixes(prefixes),
            left: None,
        }
    }

    /// Withdraws prefixes; their host bits are cleared.
    pub const fn withdraw(session: &'a Session, family: Family, prefixes: I) -> Self {
        Self { session, family, announce: None, paths: Prefixes(prefixes), left: None }
    }
}

impl<'a, 'n, P: Iterator<Item = (Option<u32>, Nlri<'n>)>> UpdatePacker<'a, 'n, P> {
    /// Announces destinations of any family, with path identifiers if the session sends them.
    pub const fn announce_paths(
        session: &'a Session,
        family: Family,
        next_hop: NextHop,
        attributes: &'a [Attribute<'a>],
        paths: P,
    ) -> Self {
        Self { session, family, announce: Some((next_hop, attributes)), paths, left: None }
    }

    /// Withdraws destinations of any family, with path identifiers if the session sends them.
    pub const fn withdraw_paths(session: &'a Session, family: Family, paths: P) -> Self {
        Self { session, family, announce: None, paths, left: None }
    }

    /// The next message, written into `buf`; `None` when all destinations are written.
    ///
    /// # Errors
    /// Those of [`UpdateBuilder`]. After an error about a destination, the next call goes on with the one after it, and
    /// the destinations before it that were to go into the same message are lost with the message. `Full`: the buffer, or
    /// the session, has no room for the attributes and this one destination.
    ///
    /// # Panics
    /// Never.
    pub fn next<'b>(&mut self, buf: &'b mut [u8]) -> Result<Option<&'b [u8]>, EncodeError> {
        let Some(first) = self.left.take().or_else(|| self.paths.next()) else { return Ok(None) };
        let mut builder = match self.announce {
            Some((next_hop, attributes)) => {
                UpdateBuilder::announce(buf, self.session, self.family, next_hop, attributes)?
            }
            None => UpdateBuilder::withdraw(buf, self.session, self.family)?,
        };
        builder.push_path(first.0, &first.1)?;
        for (id, nlri) in self.paths.by_ref() {
            match builder.push_path(id, &nlri) {
                Ok(()) => {}
                Err(EncodeError::Full) => {
                    self.left = Some((id, nlri));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(builder.finish()))
    }
}

/// Prefixes as destinations of IPv4 or IPv6 unicast, without path identifiers.
#[derive(Debug, Clone)]
pub struct Prefixes<I>(I);

impl<I: Iterator<Item = IpNet>> Iterator for Prefixes<I> {
    type Item = (Option<u32>, Nlri<'static>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|prefix| (None, Nlri::from(prefix)))
    }
}
