//! The kernel's routes and links kept as desired: a sans-IO reconciler and its netlink driver
