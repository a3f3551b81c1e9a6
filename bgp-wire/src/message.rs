//! Any message.

use crate::cursor::{Reader, Writer};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::header::{BODY, HEADER_LEN, Header, MessageType};
use crate::notification::Notification;
use crate::open::Open;
use crate::refresh::RouteRefresh;
use crate::session::Session;
use crate::update::Update;

/// The one KEEPALIVE there is.
pub const KEEPALIVE: [u8; HEADER_LEN] = {
    let mut bytes = [0xff; HEADER_LEN];
    let [.., high, low, kind] = &mut bytes;
    (*high, *low, *kind) = (0, 19, 4);
    bytes
};

/// A checked message that borrows its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// OPEN.
    Open(Open<'a>),
    /// UPDATE.
    Update(Update<'a>),
    /// NOTIFICATION.
    Notification(Notification<'a>),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh(RouteRefresh<'a>),
}

impl<'a> Message<'a> {
    /// Decodes the message at the front of `bytes`, and returns what follows it.
    ///
    /// The attributes of an UPDATE are framed but not judged: see [`Update::disposition`].
    ///
    /// # Errors
    /// Every error's action is to reset the session. `Incomplete` if `bytes` ends before the message does.
    ///
    /// # Panics
    /// Never.
    #[inline(always)]
    pub fn decode(bytes: &'a [u8], session: &Session) -> Result<(Self, &'a [u8]), DecodeError> {
        let header = Header::decode_in(bytes, session)?;
        let incomplete = DecodeError::new(DecodeErrorKind::Incomplete, 16).with_data(16, 2);
        let (message, rest) = bytes.split_at_checked(usize::from(header.len())).ok_or(incomplete)?;
        let body = Reader::new(message.get(HEADER_LEN..).unwrap_or(&[]), BODY);
        if header.kind() == MessageType::UPDATE {
            return Ok((Self::Update(Update::decode(body, session)?), rest));
        }
        Ok((Self::decode_other(header.kind(), body)?, rest))
    }

    /// All but UPDATE: inlined with the one that matters, they would only be in the way.
    #[inline(never)]
    fn decode_other(kind: MessageType, body: Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match kind {
            MessageType::OPEN => Self::Open(Open::decode(body)?),
            MessageType::NOTIFICATION => Self::Notification(Notification::decode(body)?),
            MessageType::KEEPALIVE => Self::Keepalive,
            MessageType::ROUTE_REFRESH => Self::RouteRefresh(RouteRefresh::decode(body)?),
            other => return Err(DecodeError::new(DecodeErrorKind::BadMessageType { kind: other.get() }, 18)),
        })
    }

    /// Type of the message.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::OPEN,
            Self::Update(_) => MessageType::UPDATE,
            Self::Notification(_) => MessageType::NOTIFICATION,
            Self::Keepalive => MessageType::KEEPALIVE,
            Self::RouteRefresh(_) => MessageType::ROUTE_REFRESH,
        }
    }

    /// Length of the encoded message in octets.
    ///
    /// # Errors
    /// As [`Update::encoded_len`].
    pub fn encoded_len(&self, session: &Session) -> Result<usize, EncodeError> {
        match self {
            Self::Open(open) => Ok(open.encoded_len()),
            Self::Update(update) => update.encoded_len(session),
            Self::Notification(notification) => Ok(notification.encoded_len()),
            Self::Keepalive => Ok(HEADER_LEN),
            Self::RouteRefresh(refresh) => Ok(refresh.encoded_len()),
        }
    }

    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `MessageTooLong`, and those of the message's own `encode`.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8], session: &Session) -> Result<usize, EncodeError> {
        match self {
            Self::Open(open) => open.encode(buf),
            Self::Update(update) => update.encode(buf, session),
            Self::Notification(notification) => notification.encode_within(buf, session.max_len()),
            Self::Keepalive => {
                let mut w = Writer::new(buf);
                w.put(&KEEPALIVE)?;
                Ok(w.len())
            }
            Self::RouteRefresh(refresh) => refresh.encode_within(buf, session.max_len()),
        }
    }
}
