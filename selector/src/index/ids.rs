//! Sets of row numbers.

use alloc::boxed::Box;

use roaring::RoaringBitmap;
use smallvec::SmallVec;

/// Set of numbers: a sorted list while they are few, then a compressed bitmap.
#[derive(Clone, Debug)]
pub(super) enum Ids {
    Few(SmallVec<[u32; 4]>),
    Many(Box<RoaringBitmap>),
}

/// A list of more becomes a bitmap; a bitmap of less than half as many becomes a list.
const FEW: usize = 32;

impl Default for Ids {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Ids {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(ids) => ids.len(),
            // Numbers are below 2^32.
            Self::Many(ids) => usize::try_from(ids.len()).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        match self {
            Self::Few(ids) => ids.binary_search(&id).is_ok(),
            Self::Many(ids) => ids.contains(id),
        }
    }

    /// Whether it is new.
    pub(super) fn insert(&mut self, id: u32) -> bool {
        match self {
            Self::Few(ids) => {
                let Err(at) = ids.binary_search(&id) else { return false };
                if ids.len() < FEW {
                    ids.insert(at, id);
                } else {
                    let mut many: RoaringBitmap = ids.iter().copied().collect();
                    many.insert(id);
                    *self = Self::Many(Box::new(many));
                }
                true
            }
            Self::Many(ids) => ids.insert(id),
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        match self {
            Self::Few(ids) => {
                let Ok(at) = ids.binary_search(&id) else { return false };
                ids.remove(at);
                if ids.is_empty() {
                    ids.shrink_to_fit();
                }
                true
            }
            Self::Many(ids) => {
                let was = ids.remove(id);
                if ids.len() < FEW as u64 / 2 {
                    *self = Self::Few(ids.iter().collect());
                }
                was
            }
        }
    }

    /// In rising order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let (few, many) = match self {
            Self::Few(ids) => (Some(ids.iter().copied()), None),
            Self::Many(ids) => (None, Some(ids.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }
}

/// From a sorted list without repetitions.
impl From<&[u32]> for Ids {
    fn from(ids: &[u32]) -> Self {
        if ids.len() <= FEW {
            Self::Few(SmallVec::from_slice(ids))
        } else {
            Self::Many(Box::new(ids.iter().copied().collect()))
        }
    }
}
