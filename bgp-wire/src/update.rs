//! UPDATE: routes announced and withdrawn.

use crate::attribute::{
    Attribute, AttributeCode, Attributes, MpReach, MpUnreach, RawAttributes, Seen, frame,
};
use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, ErrorAction};
use crate::family::Family;
use crate::header::{self, HEADER_LEN, MAX_LEN, MessageType};
use crate::nlri::{self, NextHop, Nlri, NlriIter};
use crate::session::Session;

/// An UPDATE message: a view whose sections, attribute framing and prefixes were checked once.
///
/// ```text
/// | withdrawn length (2) | withdrawn routes | attributes length (2) | attributes | NLRI |        RFC 4271 §4.3
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    withdrawn: &'a [u8],
    attributes: Reader<'a>,
    nlri: &'a [u8],
    reach: Option<MpReach<'a>>,
    unreach: Option<MpUnreach<'a>>,
    session: Session,
}

impl PartialEq for Update<'_> {
    /// Whether the sections are equal, octet by octet.
    fn eq(&self, other: &Self) -> bool {
        self.withdrawn == other.withdrawn
            && self.attributes.rest() == other.attributes.rest()
            && self.nlri == other.nlri
    }
}

impl Eq for Update<'_> {}

impl<'a> Update<'a> {
    pub(crate) fn decode(mut body: Reader<'a>, session: &Session) -> Result<Self, DecodeError> {
        let malformed = |at| DecodeError::new(DecodeErrorKind::MalformedAttributeList, at);
        let start = body.offset();
        let len = body.u16().ok_or_else(|| malformed(start))?;
        let withdrawn_offset = body.offset();
        let withdrawn = body.take(usize::from(len)).ok_or_else(|| malformed(start))?;
        let middle = body.offset();
        let len = body.u16().ok_or_else(|| malformed(middle))?;
        let attributes_offset = body.offset();
        let attributes = body.take(usize::from(len)).ok_or_else(|| malformed(middle))?;
        nlri::check(Family::IPV4_UNICAST, withdrawn, withdrawn_offset)?;
        nlri::check(Family::IPV4_UNICAST, body.rest(), body.offset())?;
        let attributes = Reader::new(attributes, attributes_offset);
        let mut update =
            Self { withdrawn, attributes, nlri: body.rest(), reach: None, unreach: None, session: *session };
        update.find_multiprotocol()?;
        Ok(update)
    }

    /// Finds and checks the two attributes that hold routes; errors in them, and a second one, are fatal (RFC 7606 §3.g, §7.11).
    fn find_multiprotocol(&mut self) -> Result<(), DecodeError> {
        let mut rest = self.attributes;
        while let Some((raw, place)) = frame(&mut rest) {
            let code = raw.code();
            if code != AttributeCode::MP_REACH && code != AttributeCode::MP_UNREACH {
                continue;
            }
            // Wrong flags alone do not hide the routes; `attributes` reports them.
            let checked =
                crate::attribute::RawAttribute::new(crate::AttributeFlags::OPTIONAL, code, raw.value());
            let repeated = match Attribute::decode(checked, place.start, place.value, &self.session)? {
                Attribute::MpReach(reach) => self.reach.replace(reach).is_some(),
                Attribute::MpUnreach(unreach) => self.unreach.replace(unreach).is_some(),
                _ => false,
            };
            if repeated {
                let kind = DecodeErrorKind::DuplicateAttribute { code: code.get() };
                return Err(DecodeError::new(kind, place.start));
            }
        }
        Ok(())
    }

    /// All announced destinations of all families: MP_REACH_NLRI, then the classic field.
    pub fn announcements(&self) -> Announcements<'a> {
        let reach = self.reach.map_or(NlriIter::new(Family::IPV4_UNICAST, &[]), |reach| reach.nlri());
        Announcements(reach.chain(NlriIter::new(Family::IPV4_UNICAST, self.nlri)))
    }

    /// All withdrawn destinations of all families: the classic field, then MP_UNREACH_NLRI.
    pub fn withdrawals(&self) -> Withdrawals<'a> {
        let unreach = self.unreach.map_or(NlriIter::new(Family::IPV4_UNICAST, &[]), |unreach| unreach.nlri());
        Withdrawals(NlriIter::new(Family::IPV4_UNICAST, self.withdrawn).chain(unreach))
    }

    /// The next hop of the announcements of `family`; `None` if nothing of this family is announced, or if NEXT_HOP is
    /// missing or malformed.
    ///
    /// IPv4 unicast can be announced in both fields of one message; then MP_REACH_NLRI has the word.
    pub fn next_hop(&self, family: Family) -> Option<NextHop> {
        match self.reach {
            Some(reach) if reach.family() == family => reach.next_hop(),
            _ if family == Family::IPV4_UNICAST && !self.nlri.is_empty() => {
                self.attributes().flatten().find_map(|attribute| match attribute {
                    Attribute::NextHop(address) => Some(NextHop::Ipv4(address)),
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// The attributes, typed and judged one by one.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.attributes, session: self.session, seen: Seen::default() }
    }

    /// The attributes as they lie on the wire.
    pub const fn raw_attributes(&self) -> RawAttributes<'a> {
        RawAttributes(self.attributes)
    }

    /// The family that this message closes if it is an End-of-RIB marker (RFC 4724 §2).
    pub fn end_of_rib(&self) -> Option<Family> {
        if !self.withdrawn.is_empty() || !self.nlri.is_empty() {
            return None;
        }
        if self.attributes.is_empty() {
            return Some(Family::IPV4_UNICAST);
        }
        let unreach = self.unreach.filter(|unreach| unreach.is_empty())?;
        (self.raw_attributes().count() == 1).then_some(unreach.family())
    }

    /// The error with the strongest action, if there is any: what RFC 7606 wants done with the message as a whole.
    ///
    /// Looks at every attribute, at the presence of ORIGIN, AS_PATH and NEXT_HOP where routes are announced (§3.d), and at §5.2: an
    /// error in a message that has attributes but announces nothing resets the session. With `AttributeDiscard` the
    /// `Ok` items of [`attributes`](Self::attributes) are what is left.
    pub fn disposition(&self) -> Option<DecodeError> {
        let mut attributes = self.attributes();
        let mut worst: Option<DecodeError> = None;
        let mut note = |error: DecodeError| {
            if worst.is_none_or(|w| w.action() < error.action()) {
                worst = Some(error);
            }
        };
        attributes.by_ref().filter_map(Result::err).for_each(&mut note);
        let announces = self.announcements().next().is_some();
        let classic = !self.nlri.is_empty();
        for (code, needed) in [
            (AttributeCode::ORIGIN, announces),
            (AttributeCode::AS_PATH, announces),
            (AttributeCode::NEXT_HOP, classic),
        ] {
            if needed && !attributes.seen.contains(code) {
                let kind = DecodeErrorKind::MissingWellKnown { code: code.get() };
                let at = self.attributes.offset();
                note(DecodeError::new(kind, at).with_action(ErrorAction::TreatAsWithdraw));
            }
        }
        worst.map(|error| {
            if !announces && error.action() > ErrorAction::AttributeDiscard {
                error.with_action(ErrorAction::SessionReset)
            } else {
                error
            }
        })
    }

    /// Whether attributes must be rewritten for a session with AS numbers of another width.
    fn same_width(&self, session: &Session) -> bool {
        self.session.four_octet_as == session.four_octet_as
    }

    /// Length of the encoded message in octets.
    ///
    /// # Errors
    /// `ValueTooLong` if the attributes are malformed and the session's width of AS numbers is another than this one's.
    pub fn encoded_len(&self, session: &Session) -> Result<usize, EncodeError> {
        let mut attributes = self.attributes.rest().len();
        if !self.same_width(session) {
            attributes = 0;
            for attribute in self.attributes() {
                attributes += attribute.map_err(|_| EncodeError::ValueTooLong)?.encoded_len(session);
            }
        }
        Ok(HEADER_LEN + 4 + self.withdrawn.len() + attributes + self.nlri.len())
    }

    /// Writes the whole message and returns its length.
    ///
    /// The sections are copied; attributes are rewritten only for a session with AS numbers of another width.
    ///
    /// # Errors
    /// `BufferTooSmall`, `MessageTooLong`, `AsNeedsFourOctets`, and those of [`encoded_len`](Self::encoded_len).
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8], session: &Session) -> Result<usize, EncodeError> {
        let len = self.encoded_len(session)?;
        let mut w = Writer::new(buf);
        header::encode(&mut w, len, MessageType::UPDATE, session.max_len())?;
        let short = |len: usize| u16::try_from(len).map_err(|_| EncodeError::MessageTooLong { max: MAX_LEN });
        w.u16(short(self.withdrawn.len())?)?;
        w.put(self.withdrawn)?;
        w.u16(short(len.saturating_sub(HEADER_LEN + 4 + self.withdrawn.len() + self.nlri.len()))?)?;
        if self.same_width(session) {
            w.put(self.attributes.rest())?;
        } else {
            for attribute in self.attributes().flatten() {
                attribute.write(&mut w, session)?;
            }
        }
        w.put(self.nlri)?;
        Ok(w.len())
    }
}

/// Iterator over the announcements of an UPDATE.
#[derive(Debug, Clone)]
pub struct Announcements<'a>(core::iter::Chain<NlriIter<'a>, NlriIter<'a>>);

impl<'a> Iterator for Announcements<'a> {
    type Item = Nlri<'a>;

    fn next(&mut self) -> Option<Nlri<'a>> {
        self.0.next()
    }
}

/// Iterator over the withdrawals of an UPDATE.
#[derive(Debug, Clone)]
pub struct Withdrawals<'a>(core::iter::Chain<NlriIter<'a>, NlriIter<'a>>);

impl<'a> Iterator for Withdrawals<'a> {
    type Item = Nlri<'a>;

    fn next(&mut self) -> Option<Nlri<'a>> {
        self.0.next()
    }
}
