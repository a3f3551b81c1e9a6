//! The verbs.

pub(crate) mod apply;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod ipam;
pub(crate) mod policy;
pub(crate) mod selector;
