//! A byte stream cut into messages.

use core::fmt;

use crate::error::DecodeError;
use crate::header::{EXTENDED_MAX_LEN, HEADER_LEN, Header, MAX_LEN};
use crate::session::Session;

/// Cuts a byte stream into messages; holds at most one partial message.
///
/// A message that lies whole in the input is returned as a slice of the input, without a copy.
///
/// ```
/// use tortie_bgp_wire::{Framer, KEEPALIVE};
///
/// let mut framer = Framer::new();
/// let input = [KEEPALIVE, KEEPALIVE].concat();
/// let (message, rest) = framer.next(&input[..30])?;
/// assert_eq!(message, Some(&KEEPALIVE[..]));
/// assert_eq!(framer.next(rest)?.0, None); // eleven octets are kept
/// assert_eq!(framer.next(&input[30..])?, (Some(&KEEPALIVE[..]), &[][..]));
/// # Ok::<(), tortie_bgp_wire::DecodeError>(())
/// ```
///
/// `N` is how much it can hold. For a session that may agree on extended messages (RFC 8654) begin with
/// [`Framer::extended`], and call [`established`](Self::established) when the OPENs are exchanged: until then a longer
/// message is an error.
#[derive(Clone)]
pub struct Framer<const N: usize = MAX_LEN> {
    held: [u8; N],
    len: usize,
    max: u16,
    failed: Option<DecodeError>,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// A framer at the start of a stream of messages of at most 4096 octets.
    pub const fn new() -> Self {
        Self::empty()
    }
}

impl Framer<EXTENDED_MAX_LEN> {
    /// A framer at the start of a stream that may come to hold messages of up to 65,535 octets.
    pub const fn extended() -> Self {
        Self::empty()
    }
}

impl<const N: usize> Framer<N> {
    const fn empty() -> Self {
        Self { held: [0; N], len: 0, max: 4096, failed: None }
    }

    /// From here on messages may be as long as the session allows, and as the framer can hold.
    pub fn established(&mut self, session: &Session) {
        self.max = u16::try_from(session.max_len().min(N)).unwrap_or(u16::MAX);
    }

    /// The next whole message, and what is left of `input`; no message once `input` is used up.
    ///
    /// # Errors
    /// The header's error. The stream cannot be followed any further: every later call returns the same error. The
    /// octets for [`DecodeError::data`] are those of [`Framer::header`].
    ///
    /// # Panics
    /// Never.
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        input: &'i [u8],
    ) -> Result<(Option<&'a [u8]>, &'i [u8]), DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.len == 0 && input.len() >= HEADER_LEN {
            let len = self.check(input)?;
            if let Some((message, rest)) = input.split_at_checked(len) {
                return Ok((Some(message), rest));
            }
        }
        let (filled, rest) = self.fill(input, HEADER_LEN);
        if !filled {
            return Ok((None, rest));
        }
        let header = self.held.first_chunk::<HEADER_LEN>().map_or([0; HEADER_LEN], |header| *header);
        let len = self.check(&header)?;
        let (filled, rest) = self.fill(rest, len);
        if !filled {
            return Ok((None, rest));
        }
        self.len = 0;
        Ok((self.held.get(..len), rest))
    }

    /// The header that failed, for the data of the NOTIFICATION; zeros if none did.
    pub fn header(&self) -> &[u8] {
        self.held.first_chunk::<HEADER_LEN>().map_or(&[], |header| header)
    }

    /// How many octets of a partial message are held.
    pub const fn held(&self) -> usize {
        self.len
    }

    /// Length of the message whose header is at the front; remembers a failure.
    fn check(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        Header::read(bytes, self.max).map(|header| usize::from(header.len())).inspect_err(|error| {
            self.failed = Some(*error);
            if let (Some(held), Some(header)) = (self.held.get_mut(..HEADER_LEN), bytes.get(..HEADER_LEN)) {
                held.copy_from_slice(header);
            }
        })
    }

    /// Moves octets from `input` until `want` are held: whether they are, and what is left of `input`.
    fn fill<'i>(&mut self, input: &'i [u8], want: usize) -> (bool, &'i [u8]) {
        let n = want.saturating_sub(self.len).min(input.len());
        let (head, rest) = input.split_at_checked(n).unwrap_or((&[], input));
        if let Some(room) = self.held.get_mut(self.len..).and_then(|tail| tail.get_mut(..n)) {
            room.copy_from_slice(head);
            self.len += n;
        }
        (self.len >= want, rest)
    }
}

impl<const N: usize> fmt::Debug for Framer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").field("held", &self.len).field("failed", &self.failed).finish()
    }
}
