//! Records of old versions, written anew.

use alloc::vec::Vec;

use ipnet::IpNet;

use super::{Allocator, decode_affinity, decode_block, name, unreadable};
use crate::error::Fault;
use crate::keys;
use crate::record::Affinity;
use crate::span::Family;
use crate::store::{ListOptions, Op, Store};

impl<S: Store> Allocator<S> {
    /// Writes an owner's old records as this version does: affinities that are empty, and blocks that name their node in
    /// `hostAffinity`. Gives their blocks.
    ///
    /// Everything here reads both forms; who watches the store may read the new ones alone. For a node that starts, once.
    ///
    /// # Errors
    /// [`Fault`]; the rest is then as it was. Records that cannot be read, or that others write just now, are left out.
    pub async fn upgrade(&self, owner: &Affinity) -> Result<Vec<IpNet>, Fault> {
        name(owner.name())?;
        let mut upgraded = Vec::new();
        for family in Family::BOTH {
            for item in self.store.list(&keys::affinities(owner, family), &ListOptions::new()).await? {
                let Some(keys::Key::Affinity(_, cidr)) = keys::Key::parse(&item.key) else { continue };
                let Ok(Some(affinity)) = decode_affinity(&item.value) else { continue };
                let mut written = false;
                let key = keys::block(&cidr);
                if let Some(found) = self.store.get(&key).await? {
                    let old = has_field(&found.value, "hostAffinity").map_err(unreadable(&key));
                    if let (Ok(true), Ok(Some(mut block))) = (old, decode_block(&found.value, &cidr)) {
                        block.bump();
                        let op = Op::Update { key, value: block.encode(), revision: found.revision };
                        written |= self.overwrite(op).await?;
                    }
                }
                if item.value.is_empty() || !has_field(&item.value, "state").unwrap_or(true) {
                    let (key, value) = (item.key, affinity.encode());
                    written |= self.overwrite(Op::Update { key, value, revision: item.revision }).await?;
                }
                if written {
                    upgraded.push(cidr);
                }
            }
        }
        Ok(upgraded)
    }

    /// Does one write; false if the key has changed.
    async fn overwrite(&self, op: Op) -> Result<bool, Fault> {
        match self.apply(&[op]).await {
            Ok(_) => Ok(true),
            Err(stopped) => stopped.retry().map(|_| false),
        }
    }
}

fn has_field(value: &[u8], field: &str) -> Result<bool, crate::RecordError> {
    let value: serde_json::Value =
        serde_json::from_slice(value).map_err(|error| crate::RecordError::new("stored", &error))?;
    Ok(value.get(field).is_some())
}
