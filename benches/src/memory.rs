//! How much memory is in use, and how often it was asked for: an allocator that counts.

#![expect(unsafe_code, reason = "an allocator is unsafe to write; this one hands everything on")]

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::System;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted. A benchmark of memory makes it its `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted(());

impl Counted {
    /// The allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

/// Bytes that were asked for and not given back. 0 where [`Counted`] is not the global allocator.
#[must_use]
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// How often memory was asked for, also for more of what there was. 0 where [`Counted`] is not the global allocator.
#[must_use]
pub fn allocations() -> usize {
    ASKED.load(Ordering::Relaxed)
}

// SAFETY: each call goes to the system's allocator as it came; a counter is all that is added.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        ASKED.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
