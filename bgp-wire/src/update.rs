//! UPDATE: routes announced and withdrawn.

use crate::attribute::{
    self, Aggregator, Attribute, AttributeCode, AttributeFlags, Attributes, MergedPath, MpReach, MpUnreach,
    Place, RawAttribute, RawAttributes, Seen, frame,
};
use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, ErrorAction};
use crate::family::Family;
use crate::header::{self, HEADER_LEN, MAX_LEN, MessageType};
use crate::nlri::{ClassicPrefixes, Field, NextHop, Nlri, NlriIter};
use crate::session::{Rules, Session};

/// An UPDATE message: a view whose sections, attribute framing and prefixes were checked once.
///
/// ```text
/// | withdrawn length (2) | withdrawn routes | attributes length (2) | attributes | NLRI |        RFC 4271 §4.3
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    withdrawn: Field<'a>,
    attributes: Reader<'a>,
    nlri: Field<'a>,
    /// The value of MP_REACH_NLRI, checked.
    reach: Option<&'a [u8]>,
    /// The value of MP_UNREACH_NLRI, checked.
    unreach: Option<&'a [u8]>,
    rules: Rules,
}

impl PartialEq for Update<'_> {
    /// Whether the sections are equal, octet by octet.
    fn eq(&self, other: &Self) -> bool {
        self.withdrawn.bytes == other.withdrawn.bytes
            && self.attributes.rest() == other.attributes.rest()
            && self.nlri.bytes == other.nlri.bytes
    }
}

impl Eq for Update<'_> {}

impl<'a> Update<'a> {
    #[inline(always)]
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
        let add_path = session.add_path_receive.contains(Family::IPV4_UNICAST);
        let field = |bytes, withdrawn| Field { family: Family::IPV4_UNICAST, bytes, add_path, withdrawn };
        let (withdrawn, nlri) = (field(withdrawn, true), field(body.rest(), false));
        withdrawn.check(withdrawn_offset)?;
        nlri.check(body.offset())?;
        let attributes = Reader::new(attributes, attributes_offset);
        let [reach, unreach] = multiprotocol(attributes, session.rules())?;
        Ok(Self { withdrawn, attributes, nlri, reach, unreach, rules: session.rules() })
    }

    #[inline(always)]
    fn reach(&self) -> Option<MpReach<'a>> {
        MpReach::again(self.reach?, self.rules)
    }

    #[inline(always)]
    fn unreach(&self) -> Option<MpUnreach<'a>> {
        MpUnreach::again(self.unreach?, self.rules)
    }

    /// All announced destinations of all families: MP_REACH_NLRI, then the classic field.
    #[inline(always)]
    pub fn announcements(&self) -> Announcements<'a> {
        let reach = self.reach().map_or(NlriIter::new(Field::EMPTY), |reach| reach.nlri());
        Announcements { classic: NlriIter::new(self.nlri), multiprotocol: reach }
    }

    /// All announced destinations with their path identifiers (RFC 7911), in the same order.
    pub fn announced_paths(&self) -> impl Iterator<Item = (Option<u32>, Nlri<'a>)> + use<'a> {
        let reach = self.reach().map_or(NlriIter::new(Field::EMPTY), |reach| reach.nlri());
        reach.paths().chain(NlriIter::new(self.nlri).paths())
    }

    /// The prefixes of the classic field of announced routes, as they were sent; of what MP_REACH_NLRI announces, none.
    pub const fn classic_announcements(&self) -> ClassicPrefixes<'a> {
        ClassicPrefixes { bytes: self.nlri.bytes, add_path: self.nlri.add_path }
    }

    /// The prefixes of the classic field of withdrawn routes, as they were sent; of what MP_UNREACH_NLRI withdraws, none.
    pub const fn classic_withdrawals(&self) -> ClassicPrefixes<'a> {
        ClassicPrefixes { bytes: self.withdrawn.bytes, add_path: self.withdrawn.add_path }
    }

    /// All withdrawn destinations of all families: the classic field, then MP_UNREACH_NLRI.
    #[inline(always)]
    pub fn withdrawals(&self) -> Withdrawals<'a> {
        let unreach = self.unreach().map_or(NlriIter::new(Field::EMPTY), |unreach| unreach.nlri());
        Withdrawals { classic: NlriIter::new(self.withdrawn), multiprotocol: unreach }
    }

    /// All withdrawn destinations with their path identifiers (RFC 7911), in the same order.
    pub fn withdrawn_paths(&self) -> impl Iterator<Item = (Option<u32>, Nlri<'a>)> + use<'a> {
        let unreach = self.unreach().map_or(NlriIter::new(Field::EMPTY), |unreach| unreach.nlri());
        NlriIter::new(self.withdrawn).paths().chain(unreach.paths())
    }

    /// The path with four-octet AS numbers: AS_PATH, on a session with two-octet ones merged with AS4_PATH
    /// (RFC 6793 §4.2.3). `None` if AS_PATH is missing or malformed.
    pub fn as_path(&self) -> Option<MergedPath<'a>> {
        attribute::path(self.attributes().flatten(), self.rules.four_octet_as)
    }

    /// Who formed the aggregate: AGGREGATOR, or AS4_AGGREGATOR where the former says [`AS_TRANS`](crate::AS_TRANS) (RFC 6793 §4.2.3).
    pub fn aggregator(&self) -> Option<Aggregator> {
        attribute::aggregator(self.attributes().flatten(), self.rules.four_octet_as)
    }

    /// The next hop of the announcements of `family`; `None` if nothing of this family is announced, or if NEXT_HOP is
    /// missing or malformed.
    ///
    /// IPv4 unicast can be announced in both fields of one message; then MP_REACH_NLRI has the word.
    pub fn next_hop(&self, family: Family) -> Option<NextHop> {
        match self.reach() {
            Some(reach) if reach.family() == family => reach.next_hop(),
            _ if family == Family::IPV4_UNICAST && !self.nlri.bytes.is_empty() => {
                self.attributes().flatten().find_map(|attribute| match attribute {
                    Attribute::NextHop(address) => Some(NextHop::Ipv4(address)),
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// The attributes, typed and judged one by one.
    #[inline]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.attributes, rules: self.rules, seen: Seen::default() }
    }

    /// The attributes as they lie on the wire.
    pub const fn raw_attributes(&self) -> RawAttributes<'a> {
        RawAttributes(self.attributes)
    }

    /// The family that this message closes if it is an End-of-RIB marker (RFC 4724 §2).
    pub fn end_of_rib(&self) -> Option<Family> {
        if !self.withdrawn.bytes.is_empty() || !self.nlri.bytes.is_empty() {
            return None;
        }
        if self.attributes.is_empty() {
            return Some(Family::IPV4_UNICAST);
        }
        let unreach = self.unreach().filter(|unreach| unreach.is_empty())?;
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
        let classic = !self.nlri.bytes.is_empty();
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
        self.rules.four_octet_as == session.four_octet_as
    }

    /// Whether the destinations have path identifiers exactly where the session sends them.
    fn check_path_ids(&self, session: &Session) -> Result<(), EncodeError> {
        let fields = [
            (!self.withdrawn.bytes.is_empty()).then_some((Family::IPV4_UNICAST, self.withdrawn.add_path)),
            (!self.nlri.bytes.is_empty()).then_some((Family::IPV4_UNICAST, self.nlri.add_path)),
            self.reach().filter(|r| !r.is_empty()).map(|reach| (reach.family(), reach.has_path_ids())),
            self.unreach()
                .filter(|u| !u.is_empty())
                .map(|unreach| (unreach.family(), unreach.has_path_ids())),
        ];
        for (family, there) in fields.into_iter().flatten() {
            if there != session.add_path_send.contains(family) {
                return Err(EncodeError::PathIdentifiers { family });
            }
        }
        Ok(())
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
        Ok(HEADER_LEN + 4 + self.withdrawn.bytes.len() + attributes + self.nlri.bytes.len())
    }

    /// Writes the whole message and returns its length.
    ///
    /// The sections are copied; attributes are rewritten only for a session with AS numbers of another width.
    ///
    /// # Errors
    /// `BufferTooSmall`, `MessageTooLong`, `AsNeedsFourOctets`, `PathIdentifiers`, and those of [`encoded_len`](Self::encoded_len).
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8], session: &Session) -> Result<usize, EncodeError> {
        self.check_path_ids(session)?;
        let len = self.encoded_len(session)?;
        let mut w = Writer::new(buf);
        header::encode(&mut w, len, MessageType::UPDATE, session.max_len())?;
        let short = |len: usize| u16::try_from(len).map_err(|_| EncodeError::MessageTooLong { max: MAX_LEN });
        w.u16(short(self.withdrawn.bytes.len())?)?;
        w.put(self.withdrawn.bytes)?;
        w.u16(short(
            len.saturating_sub(HEADER_LEN + 4 + self.withdrawn.bytes.len() + self.nlri.bytes.len()),
        )?)?;
        if self.same_width(session) {
            w.put(self.attributes.rest())?;
        } else {
            for attribute in self.attributes().flatten() {
                attribute.write(&mut w, session)?;
            }
        }
        w.put(self.nlri.bytes)?;
        Ok(w.len())
    }
}

/// The values of MP_REACH_NLRI and MP_UNREACH_NLRI, checked; errors in them, and a second one, are fatal (RFC 7606 §3.g,
/// §5.3, §7.11).
#[inline(always)]
fn multiprotocol<'a>(attributes: Reader<'a>, rules: Rules) -> Result<[Option<&'a [u8]>; 2], DecodeError> {
    let (mut reach, mut unreach) = (None, None);
    let mut rest = attributes;
    while let Some((raw, place)) = frame(&mut rest) {
        if raw.code() == AttributeCode::MP_REACH {
            check_multiprotocol(raw, place, rules, reach.is_some())?;
            reach = Some(raw.value());
        } else if raw.code() == AttributeCode::MP_UNREACH {
            check_multiprotocol(raw, place, rules, unreach.is_some())?;
            unreach = Some(raw.value());
        }
    }
    Ok([reach, unreach])
}

#[inline(never)]
fn check_multiprotocol(
    raw: RawAttribute<'_>,
    place: Place<'_>,
    rules: Rules,
    repeated: bool,
) -> Result<(), DecodeError> {
    let code = raw.code().get();
    if repeated {
        return Err(DecodeError::new(DecodeErrorKind::DuplicateAttribute { code }, place.start()));
    }
    if raw.flags().get() & 0xc0 != AttributeFlags::OPTIONAL.get() {
        return Err(place.error(DecodeErrorKind::AttributeFlags { code }, raw));
    }
    if raw.code() == AttributeCode::MP_REACH {
        MpReach::check(raw, place, rules)
    } else {
        MpUnreach::check(raw, place, rules)
    }
}

/// Iterator over the announcements of an UPDATE.
#[derive(Debug, Clone)]
pub struct Announcements<'a> {
    classic: NlriIter<'a>,
    multiprotocol: NlriIter<'a>,
}

impl<'a> Iterator for Announcements<'a> {
    type Item = Nlri<'a>;

    #[inline]
    fn next(&mut self) -> Option<Nlri<'a>> {
        self.multiprotocol.next().or_else(|| self.classic.next())
    }

    #[inline]
    fn fold<B, F: FnMut(B, Nlri<'a>) -> B>(mut self, init: B, mut f: F) -> B {
        let mut out = init;
        // Seldom anything: one at a time.
        while let Some(nlri) = self.multiprotocol.next().or_else(|| self.classic.next_path()) {
            out = f(out, nlri);
        }
        self.classic.fold_plain(out, f)
    }
}

/// Iterator over the withdrawals of an UPDATE.
#[derive(Debug, Clone)]
pub struct Withdrawals<'a> {
    classic: NlriIter<'a>,
    multiprotocol: NlriIter<'a>,
}

impl<'a> Iterator for Withdrawals<'a> {
    type Item = Nlri<'a>;

    #[inline]
    fn next(&mut self) -> Option<Nlri<'a>> {
        self.classic.next().or_else(|| self.multiprotocol.next())
    }

    #[inline]
    fn fold<B, F: FnMut(B, Nlri<'a>) -> B>(mut self, init: B, mut f: F) -> B {
        let mut out = self.classic.fold_plain(init, &mut f);
        // Seldom anything: one at a time.
        for nlri in self {
            out = f(out, nlri);
        }
        out
    }
}
