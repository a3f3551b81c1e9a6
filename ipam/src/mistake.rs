//! Mistakes that the proof makes on purpose, to see that it sees them.

/// A deliberate mistake of an allocator; see `tests/interleave.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "_faults"),
    expect(unreachable_pub, reason = "public with the feature `_faults` only")
)]
#[cfg_attr(feature = "_faults", expect(clippy::exhaustive_enums, reason = "for the proof alone"))]
pub enum Mistake {
    /// Writes a block over whatever is there by then.
    WritesBlind,
    /// Confirms an affinity before the block is written.
    ConfirmsFirst,
    /// Takes a block away without a word before.
    AnnouncesNothing,
    /// Assigns an address before its handle says so.
    CountsLate,
    /// Makes a handle say less before the address is released.
    ForgetsEarly,
    /// Takes no answer for a refusal, and lowers the handle again.
    GuessesRefusal,
    /// Keeps what it assigned when it fails.
    KeepsOnFailure,
    /// Deletes a block that is in use, when it takes it from its owner.
    DeletesInUse,
    /// Leaves handles as they are when it releases their addresses.
    LeavesHandles,
    /// Releases an address whatever the sequence number.
    IgnoresSequence,
    /// Assigns what is reserved.
    IgnoresReservations,
    /// Borrows from others though affinity is strict.
    IgnoresStrictness,
    /// Assigns by what it saw of a pool, whatever has become of it.
    IgnoresGuards,
}

impl<S> crate::Allocator<S> {
    /// Whether it makes this mistake.
    #[cfg(feature = "_faults")]
    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Never.
    #[cfg(not(feature = "_faults"))]
    #[expect(clippy::unused_self, reason = "the proof's allocator has something to look at")]
    pub(crate) const fn makes(&self, _: Mistake) -> bool {
        false
    }

    /// An allocator that makes this mistake.
    #[cfg(feature = "_faults")]
    #[doc(hidden)]
    #[must_use]
    pub fn making(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }
}
