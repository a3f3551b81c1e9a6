//! Elements are written without an allocation: counted, not assumed.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::unwrap_used, reason = "test code")]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

use tortie_nft_wire::expr::{Cmp, CmpOp, Immediate};
use tortie_nft_wire::{Batch, Data, Family, Name, Register, RuleBuf, Selector, Set, Type, Verdict};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, len) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

const FAMILY: Family = Family::INET;
const MANY: u32 = 100_000;

fn set() -> Set {
    let (table, name) = (Name::new("t").unwrap(), Name::new("s").unwrap());
    Set::of(table, name, 1, Type::IPV4_ADDR, 4).size(MANY)
}

/// How many allocations it takes in a batch that had as much in it before, and in a new one.
fn in_used_and_new(put: impl Fn(&mut Batch)) -> (usize, usize) {
    let mut batch = Batch::new();
    let new = allocations(|| put(&mut batch));
    assert!(batch.len() > 20, "{}", batch.len());
    batch.finish();
    let len = batch.len_octets();
    batch.clear();
    let used = allocations(|| put(&mut batch));
    batch.finish();
    assert_eq!(batch.len_octets(), len);
    (used, new)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(core::hint::black_box(vec![1]))), 1);
}

#[test]
fn keys_allocate_nothing() {
    let set = set();
    let (used, new) =
        in_used_and_new(|batch| batch.add_keys(FAMILY, &set, (0..MANY).map(u32::to_be_bytes)).unwrap());
    assert_eq!(used, 0);
    // The buffer grows, some twenty times.
    assert!(new < 30, "{new}");
}

#[test]
fn intervals_allocate_nothing() {
    let set = set().flags(Set::INTERVAL);
    let intervals = || (0..MANY).map(|n| ((n * 8).to_be_bytes(), (n * 8 + 3).to_be_bytes()));
    let (used, new) = in_used_and_new(|batch| batch.add_intervals(FAMILY, &set, intervals()).unwrap());
    assert_eq!(used, 0);
    assert!(new < 30, "{new}");
}

#[test]
fn verdicts_and_values_allocate_nothing() {
    let jump = Verdict::Jump(Name::new("somewhere").unwrap());
    let map = set().map(Type::VERDICT, 0);
    let verdicts = || (0..MANY).map(|n| (n.to_be_bytes(), &jump));
    let (used, _) = in_used_and_new(|batch| batch.add_verdicts(FAMILY, &map, verdicts()).unwrap());
    assert_eq!(used, 0);
    let map = set().map(Type::INET_SERVICE, 2);
    let values = || (0..MANY).map(|n| (n.to_be_bytes(), [1, 2]));
    let (used, _) = in_used_and_new(|batch| batch.add_values(FAMILY, &map, values()).unwrap());
    assert_eq!(used, 0);
}

#[test]
fn rules_that_are_written_allocate_nothing() {
    let (table, chain) = (Name::new("t").unwrap(), Name::new("c").unwrap());
    let mut rule = RuleBuf::new(&table, &chain);
    let mut batch = Batch::new();
    let mut put = |batch: &mut Batch| {
        for port in 0..1000_u16 {
            rule.clear();
            rule.expr(&Selector::Dport.load(Register::R1))
                .expr(&Cmp::new(Register::R1, CmpOp::EQ, Data::value(port.to_be_bytes())))
                .expr(&Immediate::new(Register::VERDICT, Verdict::Accept.into()))
                .comment("a comment that is longer than what fits without an allocation");
            batch.add(FAMILY, &rule).unwrap();
        }
    };
    put(&mut batch);
    batch.clear();
    assert_eq!(allocations(|| put(&mut batch)), 0);
}
