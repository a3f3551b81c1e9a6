//! Typed resources over an embedded, watchable compare-and-swap store.

extern crate alloc;

pub mod resource;
