//! The address blocks of this host, as it starts.

use std::time::{SystemTime, UNIX_EPOCH};

use tortie_datastore::Datastore;
use tortie_ipam::{Affinity, Allocator};

/// Finishes what a plugin that died left half done at this host's blocks: a block is advertised only once its affinity is
/// confirmed. What fails is left to the next assignment, and keeps no agent from starting.
pub(crate) async fn settle(store: &Datastore, node: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (allocator, owner) = (Allocator::new(store.clone()), Affinity::host(node));
    match allocator.upgrade(&owner).await {
        Ok(blocks) if blocks.is_empty() => {}
        Ok(blocks) => tracing::info!(?blocks, "records of an old version were written anew"),
        Err(error) => tracing::warn!(%error, "records of an old version stay as they are"),
    }
    match allocator.settle_host_affinities(&owner, now).await {
        Ok(blocks) if blocks.is_empty() => {}
        Ok(blocks) => tracing::info!(?blocks, "unfinished claims of address blocks were settled"),
        Err(error) => tracing::warn!(%error, "unfinished claims of address blocks stay as they are"),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tortie_datastore::Embedded;
    use tortie_ipam::{AffinityState, BlockAffinity, keys};

    use super::*;

    #[tokio::test]
    async fn an_unfinished_claim_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let store: Datastore = Embedded::open(folder.path().join("store")).unwrap().into();
        let (owner, cidr) = (Affinity::host("a"), "10.0.0.0/26".parse().unwrap());
        Allocator::new(store.clone()).claim_block(&owner, &cidr, Duration::from_secs(9)).await.unwrap();
        let key = keys::affinity(&owner, &cidr);
        let state =
            async || BlockAffinity::decode(&store.get(&key).await.unwrap().unwrap().value).unwrap().state;
        let revision = store.get(&key).await.unwrap().unwrap().revision;
        store.update(&key, &BlockAffinity::new(AffinityState::Pending).encode(), revision).await.unwrap();
        assert_eq!(state().await, AffinityState::Pending);
        settle(&store, "a").await;
        assert_eq!(state().await, AffinityState::Confirmed);
    }
}
