//! NOTIFICATION: why a session ends.

use core::fmt;

use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::header::{self, HEADER_LEN, MAX_LEN, MessageType};

/// Error code and subcode, any values.
///
/// `Display` gives the names of the IANA registry where they exist, else the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct ErrorCode {
    code: u8,
    subcode: u8,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal / $subcode:literal, $text:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self::new($code, $subcode);)*

            /// The registry's name for code and subcode, if this crate knows one.
            pub const fn name(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Marker is not all ones.
    NOT_SYNCHRONIZED = 1 / 1, "connection not synchronized";
    /// Bad length; data is the length field.
    BAD_MESSAGE_LENGTH = 1 / 2, "bad message length";
    /// Bad type; data is the type field.
    BAD_MESSAGE_TYPE = 1 / 3, "bad message type";
    /// OPEN error without a subcode of its own.
    OPEN_UNSPECIFIC = 2 / 0, "OPEN message error";
    /// Version; data is the largest version supported, two octets.
    UNSUPPORTED_VERSION = 2 / 1, "unsupported version number";
    /// AS number not as configured, or zero.
    BAD_PEER_AS = 2 / 2, "bad peer AS";
    /// Identifier zero, or our own on an internal session.
    BAD_IDENTIFIER = 2 / 3, "bad BGP identifier";
    /// Optional parameter not understood.
    UNSUPPORTED_PARAMETER = 2 / 4, "unsupported optional parameter";
    /// Authentication failed; deprecated by RFC 4271.
    AUTHENTICATION_FAILURE = 2 / 5, "authentication failure";
    /// Hold time not acceptable.
    UNACCEPTABLE_HOLD_TIME = 2 / 6, "unacceptable hold time";
    /// A capability is required; data is that capability (RFC 5492 §5).
    UNSUPPORTED_CAPABILITY = 2 / 7, "unsupported capability";
    /// Roles that do not belong together (RFC 9234).
    ROLE_MISMATCH = 2 / 11, "role mismatch";
    /// UPDATE error without a subcode of its own.
    UPDATE_UNSPECIFIC = 3 / 0, "UPDATE message error";
    /// Attribute lengths do not add up.
    MALFORMED_ATTRIBUTE_LIST = 3 / 1, "malformed attribute list";
    /// Data is the attribute.
    UNRECOGNIZED_WELL_KNOWN = 3 / 2, "unrecognized well-known attribute";
    /// Data is the missing attribute's type code.
    MISSING_WELL_KNOWN = 3 / 3, "missing well-known attribute";
    /// Data is the attribute.
    ATTRIBUTE_FLAGS = 3 / 4, "attribute flags error";
    /// Data is the attribute.
    ATTRIBUTE_LENGTH = 3 / 5, "attribute length error";
    /// Data is the attribute.
    INVALID_ORIGIN = 3 / 6, "invalid ORIGIN attribute";
    /// A loop in AS_PATH; deprecated by RFC 4271.
    ROUTING_LOOP = 3 / 7, "AS routing loop";
    /// Data is the attribute.
    INVALID_NEXT_HOP = 3 / 8, "invalid NEXT_HOP attribute";
    /// Data is the attribute.
    OPTIONAL_ATTRIBUTE = 3 / 9, "optional attribute error";
    /// A prefix cannot be read.
    INVALID_NETWORK = 3 / 10, "invalid network field";
    /// AS_PATH cannot be read.
    MALFORMED_AS_PATH = 3 / 11, "malformed AS_PATH";
    /// Nothing was heard for the hold time.
    HOLD_TIMER_EXPIRED = 4 / 0, "hold timer expired";
    /// A message that the state does not allow, state not named.
    FSM_UNSPECIFIC = 5 / 0, "finite state machine error";
    /// Unexpected message in OpenSent (RFC 6608).
    FSM_OPEN_SENT = 5 / 1, "unexpected message in OpenSent";
    /// Unexpected message in OpenConfirm (RFC 6608).
    FSM_OPEN_CONFIRM = 5 / 2, "unexpected message in OpenConfirm";
    /// Unexpected message in Established (RFC 6608).
    FSM_ESTABLISHED = 5 / 3, "unexpected message in Established";
    /// Cease without a subcode.
    CEASE = 6 / 0, "cease";
    /// Too many prefixes (RFC 4486).
    MAXIMUM_PREFIXES = 6 / 1, "maximum number of prefixes reached";
    /// The operator stopped the session; data may say why (RFC 9003).
    ADMINISTRATIVE_SHUTDOWN = 6 / 2, "administrative shutdown";
    /// The peer was removed from the configuration.
    PEER_DECONFIGURED = 6 / 3, "peer de-configured";
    /// The operator restarts the session.
    ADMINISTRATIVE_RESET = 6 / 4, "administrative reset";
    /// No connection wanted.
    CONNECTION_REJECTED = 6 / 5, "connection rejected";
    /// The configuration changed in a way that needs a new session.
    CONFIGURATION_CHANGE = 6 / 6, "other configuration change";
    /// This connection lost (RFC 4271 §6.8).
    COLLISION = 6 / 7, "connection collision resolution";
    /// Out of something.
    OUT_OF_RESOURCES = 6 / 8, "out of resources";
    /// The session ends, and graceful restart with it; data is code, subcode and data of the reason (RFC 8538).
    HARD_RESET = 6 / 9, "hard reset";
    /// BFD says that the path is down (RFC 9384).
    BFD_DOWN = 6 / 10, "BFD down";
    /// ROUTE-REFRESH of impossible length; data is the message (RFC 7313 §5).
    REFRESH_LENGTH = 7 / 1, "invalid ROUTE-REFRESH length";
    /// Nothing could be sent for the send hold time (RFC 9687).
    SEND_HOLD_TIMER_EXPIRED = 8 / 0, "send hold timer expired";
}

impl ErrorCode {
    /// The pair, assigned or not.
    pub const fn new(code: u8, subcode: u8) -> Self {
        Self { code, subcode }
    }

    /// The code.
    pub const fn code(self) -> u8 {
        self.code
    }

    /// The subcode; zero means unspecific.
    pub const fn subcode(self) -> u8 {
        self.subcode
    }

    /// Whether this is a Cease, which blames nobody's bytes.
    pub const fn is_cease(self) -> bool {
        self.code == 6
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}/{})", self.code, self.subcode),
            None => write!(f, "error {}/{}", self.code, self.subcode),
        }
    }
}

/// A NOTIFICATION message.
///
/// ```text
/// | code (1) | subcode (1) | data (rest of the message) |        RFC 4271 §4.5
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notification<'a> {
    code: ErrorCode,
    data: &'a [u8],
}

impl<'a> Notification<'a> {
    /// A notification with this code and data.
    pub const fn new(code: ErrorCode, data: &'a [u8]) -> Self {
        Self { code, data }
    }

    pub(crate) fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let short = DecodeError::new(DecodeErrorKind::Incomplete, body.offset());
        let (code, subcode) = (body.u8().ok_or(short)?, body.u8().ok_or(short)?);
        Ok(Self { code: ErrorCode { code, subcode }, data: body.rest() })
    }

    /// Code and subcode.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The data; its meaning depends on the code.
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The reason that a hard reset carries (RFC 8538 §3.1); `None` for any other code, or if it is cut.
    pub fn hard_reset_reason(&self) -> Option<Self> {
        match self.data {
            [code, subcode, data @ ..] if matches!(self.code, ErrorCode::HARD_RESET) => {
                Some(Self { code: ErrorCode::new(*code, *subcode), data })
            }
            _ => None,
        }
    }

    /// The operator's text in a Cease of subcode 2 or 4 (RFC 9003), also within a hard reset: `None` if absent or not UTF-8.
    pub fn shutdown_communication(&self) -> Option<&'a str> {
        if let Some(reason) = self.hard_reset_reason().filter(|reason| reason.code != ErrorCode::HARD_RESET) {
            return reason.shutdown_communication();
        }
        if !matches!(self.code, ErrorCode::ADMINISTRATIVE_SHUTDOWN | ErrorCode::ADMINISTRATIVE_RESET) {
            return None;
        }
        let (&len, text) = self.data.split_first()?;
        let text = text.get(..usize::from(len))?;
        if text.is_empty() { None } else { core::str::from_utf8(text).ok() }
    }

    /// Writes the data that says `text` in a Cease of subcode 2 or 4 (RFC 9003 §2), and returns it.
    ///
    /// ```
    /// use tortie_bgp_wire::{ErrorCode, Notification};
    ///
    /// let mut buf = [0; 256];
    /// let data = Notification::shutdown_data("maintenance until noon", &mut buf)?;
    /// let notification = Notification::new(ErrorCode::ADMINISTRATIVE_SHUTDOWN, data);
    /// assert_eq!(notification.shutdown_communication(), Some("maintenance until noon"));
    /// # Ok::<(), tortie_bgp_wire::EncodeError>(())
    /// ```
    ///
    /// # Errors
    /// `ValueTooLong` above 255 octets, `BufferTooSmall`.
    pub fn shutdown_data<'b>(text: &str, buf: &'b mut [u8]) -> Result<&'b [u8], EncodeError> {
        let mut w = Writer::new(buf);
        w.u8(u8::try_from(text.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
        w.put(text.as_bytes())?;
        let len = w.len();
        buf.get(..len).ok_or(EncodeError::BufferTooSmall)
    }

    /// Length of the encoded message in octets.
    pub const fn encoded_len(&self) -> usize {
        HEADER_LEN + 2 + self.data.len()
    }

    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, or `MessageTooLong` with more than 4075 octets of data.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        self.encode_within(buf, MAX_LEN)
    }

    /// As [`encode`](Self::encode), for a session that may have longer messages.
    pub(crate) fn encode_within(&self, buf: &mut [u8], max: usize) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        header::encode(&mut w, self.encoded_len(), MessageType::NOTIFICATION, max)?;
        w.u8(self.code.code)?;
        w.u8(self.code.subcode)?;
        w.put(self.data)?;
        Ok(w.len())
    }
}
