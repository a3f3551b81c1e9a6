//! Records of address blocks, as other software may have written them.

use core::time::Duration;
use std::collections::BTreeSet;

use tortie_ipam::Block;

/// The value of a block record: reading is total, and what was read is whole, is written so that it reads the same, and
/// keeps its count of addresses whatever is collected.
pub fn check_ipam_block(data: &[u8]) {
    let Ok(block) = Block::decode(data) else { return };
    check_whole(&block);

    let written = block.encode();
    let again = Block::decode(&written).expect("what was written reads");
    assert_eq!(again, block);
    assert_eq!(again.encode(), written, "writing is stable");

    for cooldown in [Duration::ZERO, Duration::from_secs(3600)] {
        let mut block = block.clone();
        let free = block.free();
        block.collect(Duration::from_secs(2_000_000_000), cooldown);
        check_whole(&block);
        assert!(block.free() >= free, "collecting takes nothing");
    }
}

/// Every address is either free or accounted for, once.
fn check_whole(block: &Block) {
    let free: BTreeSet<_> = block.free_addresses().collect();
    let held: BTreeSet<_> = block.allocations().map(|allocation| allocation.address).collect();
    assert_eq!(free.len(), usize::try_from(block.free()).expect("a count"), "free twice");
    assert!(free.is_disjoint(&held));
    assert_eq!(free.len() + held.len(), usize::try_from(block.capacity()).expect("a count"));
    for address in free.iter().chain(&held) {
        assert!(block.cidr().contains(address));
        let ordinal = block.ordinal(*address).expect("of this block");
        assert_eq!(block.address(ordinal), Some(*address));
        assert_eq!(block.allocation(*address).is_some(), held.contains(address));
    }
    assert_eq!(block.address(block.capacity()), None);
}
