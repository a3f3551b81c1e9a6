//! A byte stream cut into messages.

use core::fmt;

use crate::error::DecodeError;
use crate::header::{HEADER_LEN, Header, MAX_LEN};

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
#[derive(Clone)]
pub struct Framer {
    held: [u8; MAX_LEN],
    len: usize,
    failed: Option<DecodeError>,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// A framer at the start of a stream.
    pub const fn new() -> Self {
        Self { held: [0; MAX_LEN], len: 0, failed: None }
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
        Header::decode(bytes).map(|header| usize::from(header.len())).inspect_err(|error| {
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

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").field("held", &self.len).field("failed", &self.failed).finish()
    }
}
