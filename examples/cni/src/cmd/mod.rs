//! The verbs.

pub(crate) mod add;
pub(crate) mod del;
pub(crate) mod version;
