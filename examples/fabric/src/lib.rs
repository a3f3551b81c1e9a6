//! Resources in; routes, peers and advertisements out: a pure function.
