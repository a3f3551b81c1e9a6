//! Typed resources over an embedded, watchable compare-and-swap store.
