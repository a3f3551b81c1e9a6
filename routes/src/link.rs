//! Interfaces by name and by index.

use alloc::collections::BTreeMap;
use alloc::string::String;

/// What routes need to know about a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct LinkState {
    /// The index, unique within the namespace.
    pub index: u32,
    /// The name.
    pub name: String,
    /// Whether it is administratively up (`IFF_UP`). A link that only lacks a carrier keeps its routes.
    pub up: bool,
}

impl LinkState {
    /// A link of this index and name.
    #[must_use]
    pub fn new(index: u32, name: impl Into<String>, up: bool) -> Self {
        Self { index, name: name.into(), up }
    }
}

/// The links of a namespace: names to indices and back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkTable {
    by_index: BTreeMap<u32, LinkState>,
    by_name: BTreeMap<String, u32>,
}

impl LinkTable {
    /// Notes a link, new or changed, and answers with what was known of this index before.
    pub fn set(&mut self, link: LinkState) -> Option<LinkState> {
        let before = self.remove(link.index);
        self.by_name.insert(link.name.clone(), link.index);
        self.by_index.insert(link.index, link);
        before
    }

    /// Forgets a link.
    pub fn remove(&mut self, index: u32) -> Option<LinkState> {
        let before = self.by_index.remove(&index)?;
        // The name may belong to another link by now, if the events of a rename were lost.
        if self.by_name.get(&before.name) == Some(&index) {
            self.by_name.remove(&before.name);
        }
        Some(before)
    }

    /// The link of this index.
    #[must_use]
    pub fn by_index(&self, index: u32) -> Option<&LinkState> {
        self.by_index.get(&index)
    }

    /// The link of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&LinkState> {
        self.by_index.get(self.by_name.get(name)?)
    }

    /// All links, by index.
    pub fn iter(&self) -> impl Iterator<Item = &LinkState> + '_ {
        self.by_index.values()
    }
}

impl FromIterator<LinkState> for LinkTable {
    fn from_iter<I: IntoIterator<Item = LinkState>>(links: I) -> Self {
        let mut table = Self::default();
        for link in links {
            table.set(link);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_its_last_bearer() {
        let mut links = LinkTable::default();
        links.set(LinkState::new(5, "a", true));
        links.set(LinkState::new(6, "a", true));
        assert_eq!(links.by_name("a").unwrap().index, 6);
        links.remove(5);
        assert_eq!(links.by_name("a").unwrap().index, 6);
        links.set(LinkState::new(6, "b", false));
        assert_eq!(links.by_name("a"), None);
        assert_eq!(links.iter().count(), 1);
    }
}
