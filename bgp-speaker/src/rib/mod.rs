//! Routing information bases.

mod attributes;

pub use attributes::PathAttributes;
