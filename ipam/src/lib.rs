//! Block-affine IP address allocation over a compare-and-swap store
