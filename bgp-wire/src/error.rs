//! What can be wrong with bytes, and what a speaker must then do.

use core::fmt;

use crate::family::Family;
use crate::notification::{ErrorCode, Notification};

/// What a speaker must do about an error, from the mildest to the strongest (RFC 7606 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub enum ErrorAction {
    /// Drop the attribute, keep the rest.
    AttributeDiscard,
    /// Handle every announced prefix as if it had been withdrawn.
    TreatAsWithdraw,
    /// Stop using the address family for this session.
    AfiSafiDisable,
    /// Send the NOTIFICATION and close the session.
    SessionReset,
}

/// Why bytes are not a good message: what, where and how bad.
///
/// Offsets count octets from the start of the message, that is from the first octet of the marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    action: ErrorAction,
    offset: u16,
    data: (u16, u16),
}

/// What is wrong. `code` is the attribute's type code where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The 16 octets of the marker are not all ones.
    NotSynchronized,
    /// The length field is below the type's minimum, above the maximum, or not what is needed.
    BadMessageLength {
        /// The value of the field.
        len: u16,
    },
    /// Fewer octets were given than the header promises. A [`Framer`](crate::Framer) never causes it.
    Incomplete,
    /// An unknown message type.
    BadMessageType {
        /// The value of the field.
        kind: u8,
    },
    /// OPEN: a version other than 4.
    UnsupportedVersion {
        /// The version that was offered.
        version: u8,
    },
    /// OPEN: AS number zero (RFC 7607).
    BadPeerAs,
    /// OPEN: identifier zero (RFC 6286).
    BadIdentifier,
    /// OPEN: an optional parameter that is not "capabilities".
    UnsupportedParameter {
        /// The parameter's type.
        kind: u8,
    },
    /// OPEN: a hold time of one or two seconds.
    UnacceptableHoldTime,
    /// OPEN: lengths of parameters or capabilities do not add up.
    MalformedOpen,
    /// OPEN: a known capability has the wrong length.
    MalformedCapability {
        /// The capability's code.
        code: u8,
    },
    /// UPDATE: section or attribute lengths do not add up.
    MalformedAttributeList,
    /// UPDATE: the attribute occurs again.
    DuplicateAttribute {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: a well-known attribute nobody knows.
    UnrecognizedWellKnown {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: routes are announced without this mandatory attribute.
    MissingWellKnown {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: the Optional or Transitive bit is not what the attribute's definition says.
    AttributeFlags {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: the attribute has an impossible length.
    AttributeLength {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: an ORIGIN above 2.
    InvalidOrigin,
    /// UPDATE: an attribute that an external peer may not send (RFC 7606 §7.5, §7.9, §7.10).
    NotFromExternal {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: a multiprotocol attribute's value cannot be read; the offset is that of a bad prefix, if one is to blame.
    OptionalAttribute {
        /// The attribute.
        code: u8,
    },
    /// UPDATE: the next hop has a length that the family does not have.
    NextHopLength {
        /// The family.
        family: Family,
        /// The length in octets.
        len: u8,
    },
    /// UPDATE: a prefix in a classic field is longer than 32 bits, or runs out of the field.
    InvalidNetwork,
    /// UPDATE: unknown segment type, empty or cut segment, or AS 0.
    MalformedAsPath,
    /// ROUTE-REFRESH: the message does not have the one length it may have.
    RefreshLength,
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, offset: u16) -> Self {
        Self { kind, action: ErrorAction::SessionReset, offset, data: (0, 0) }
    }

    pub(crate) const fn with_action(mut self, action: ErrorAction) -> Self {
        self.action = action;
        self
    }

    /// The same error at another place.
    pub(crate) const fn at(mut self, offset: u16) -> Self {
        self.offset = offset;
        self
    }

    /// The octets of the message that go into the NOTIFICATION.
    pub(crate) const fn with_data(mut self, start: u16, len: u16) -> Self {
        self.data = (start, len);
        self
    }

    /// What is wrong.
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Where: octets from the start of the message.
    pub const fn offset(&self) -> u16 {
        self.offset
    }

    /// What to do about it. Everything outside an UPDATE's attributes is [`ErrorAction::SessionReset`].
    pub const fn action(&self) -> ErrorAction {
        self.action
    }

    /// Code and subcode of the NOTIFICATION, should one be sent.
    pub const fn code(&self) -> ErrorCode {
        use DecodeErrorKind as K;
        match self.kind {
            K::NotSynchronized => ErrorCode::NOT_SYNCHRONIZED,
            K::BadMessageLength { .. } | K::Incomplete => ErrorCode::BAD_MESSAGE_LENGTH,
            K::BadMessageType { .. } => ErrorCode::BAD_MESSAGE_TYPE,
            K::UnsupportedVersion { .. } => ErrorCode::UNSUPPORTED_VERSION,
            K::BadPeerAs => ErrorCode::BAD_PEER_AS,
            K::BadIdentifier => ErrorCode::BAD_IDENTIFIER,
            K::UnsupportedParameter { .. } => ErrorCode::UNSUPPORTED_PARAMETER,
            K::UnacceptableHoldTime => ErrorCode::UNACCEPTABLE_HOLD_TIME,
            K::MalformedOpen | K::MalformedCapability { .. } => ErrorCode::OPEN_UNSPECIFIC,
            K::MalformedAttributeList | K::DuplicateAttribute { .. } => ErrorCode::MALFORMED_ATTRIBUTE_LIST,
            K::UnrecognizedWellKnown { .. } => ErrorCode::UNRECOGNIZED_WELL_KNOWN,
            K::MissingWellKnown { .. } => ErrorCode::MISSING_WELL_KNOWN,
            // RFC 4760 §7: whatever is wrong with MP_REACH_NLRI or MP_UNREACH_NLRI.
            K::AttributeFlags { code: 14 | 15 } => ErrorCode::OPTIONAL_ATTRIBUTE,
            K::AttributeFlags { .. } => ErrorCode::ATTRIBUTE_FLAGS,
            K::AttributeLength { .. } => ErrorCode::ATTRIBUTE_LENGTH,
            K::InvalidOrigin => ErrorCode::INVALID_ORIGIN,
            K::NotFromExternal { .. } | K::OptionalAttribute { .. } | K::NextHopLength { .. } => {
                ErrorCode::OPTIONAL_ATTRIBUTE
            }
            K::InvalidNetwork => ErrorCode::INVALID_NETWORK,
            K::MalformedAsPath => ErrorCode::MALFORMED_AS_PATH,
            K::RefreshLength => ErrorCode::REFRESH_LENGTH,
        }
    }

    /// The data of the NOTIFICATION (RFC 4271 §6.1-6.3), taken from the message that was decoded.
    ///
    /// Empty where the RFC asks for none; empty also if `message` is not the message that failed.
    pub fn data<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        match self.kind {
            DecodeErrorKind::UnsupportedVersion { .. } => &[0, 4],
            DecodeErrorKind::MissingWellKnown { code: 1 } => &[1],
            DecodeErrorKind::MissingWellKnown { code: 2 } => &[2],
            DecodeErrorKind::MissingWellKnown { .. } => &[3],
            _ => {
                let (start, len) = (usize::from(self.data.0), usize::from(self.data.1));
                message.get(start..).and_then(|tail| tail.get(..len)).unwrap_or(&[])
            }
        }
    }

    /// The NOTIFICATION to send before the session is closed.
    pub fn notification<'a>(&self, message: &'a [u8]) -> Notification<'a> {
        Notification::new(self.code(), self.data(message))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DecodeErrorKind as K;
        match self.kind {
            K::NotSynchronized => f.write_str("marker is not all ones"),
            K::BadMessageLength { len } => write!(f, "impossible message length {len}"),
            K::Incomplete => f.write_str("message is incomplete"),
            K::BadMessageType { kind } => write!(f, "unknown message type {kind}"),
            K::UnsupportedVersion { version } => write!(f, "BGP version {version} instead of 4"),
            K::BadPeerAs => f.write_str("AS number 0"),
            K::BadIdentifier => f.write_str("identifier 0.0.0.0"),
            K::UnsupportedParameter { kind } => write!(f, "unsupported optional parameter {kind}"),
            K::UnacceptableHoldTime => f.write_str("hold time below 3 seconds"),
            K::MalformedOpen => f.write_str("parameter lengths do not add up"),
            K::MalformedCapability { code } => write!(f, "capability {code} has the wrong length"),
            K::MalformedAttributeList => f.write_str("attribute lengths do not add up"),
            K::DuplicateAttribute { code } => write!(f, "attribute {code} occurs again"),
            K::UnrecognizedWellKnown { code } => write!(f, "unrecognised well-known attribute {code}"),
            K::MissingWellKnown { code } => write!(f, "mandatory attribute {code} is missing"),
            K::AttributeFlags { code } => write!(f, "attribute {code} has the wrong flags"),
            K::AttributeLength { code } => write!(f, "attribute {code} has an impossible length"),
            K::InvalidOrigin => f.write_str("ORIGIN above 2"),
            K::NotFromExternal { code } => write!(f, "attribute {code} from an external peer"),
            K::OptionalAttribute { code } => write!(f, "value of attribute {code} cannot be read"),
            K::NextHopLength { family, len } => write!(f, "next hop of {len} octets for {family}"),
            K::InvalidNetwork => f.write_str("prefix too long or cut"),
            K::MalformedAsPath => f.write_str("malformed AS path"),
            K::RefreshLength => f.write_str("impossible length of ROUTE-REFRESH"),
        }?;
        write!(f, " at byte {}", self.offset)
    }
}

impl core::error::Error for DecodeError {}

/// Why a message cannot be encoded. Nothing usable was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The caller's buffer has no room.
    #[error("buffer too small")]
    BufferTooSmall,
    /// The addresses of one record, or of one peer, are not all of the same family.
    #[error("addresses of IPv4 and IPv6 in one record")]
    MixedAddresses,
    /// Some entries of a list have a path identifier, others have none.
    #[error("some entries have a path identifier, others none")]
    MixedPathIdentifiers,
    /// Records of this type have no microseconds, or cannot do without.
    #[error("the time of the record does not fit its type")]
    WrongTime,
    /// [`UpdateBuilder::push`](crate::UpdateBuilder::push): no room for one more prefix; finish this message and start the next.
    #[error("message is full")]
    Full,
    /// The message would be longer than the session allows.
    #[error("message longer than {max} octets")]
    MessageTooLong {
        /// The limit in octets.
        max: usize,
    },
    /// An attribute, parameter or capability is longer than its length field can say.
    #[error("value does not fit its length field")]
    ValueTooLong,
    /// The session has two-octet AS numbers.
    #[error("AS {asn} needs four octets")]
    AsNeedsFourOctets {
        /// The number that does not fit.
        asn: u32,
    },
    /// A prefix or next hop does not belong to the family of the message.
    #[error("prefix or next hop does not belong to {family}")]
    WrongFamily {
        /// The family of the message.
        family: Family,
    },
    /// The session sends path identifiers with this family and there is none, or the other way round (RFC 7911 §3).
    #[error("path identifiers of {family} are not as the session has them")]
    PathIdentifiers {
        /// The family.
        family: Family,
    },
    /// The builder writes this attribute itself.
    #[error("attribute {code} is written by the builder")]
    BuiltAttribute {
        /// The attribute's type code.
        code: u8,
    },
}
