//! What a block holds, and its bytes.

use crate::facts::Fact;

/// The facts of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockContent {
    /// Numbers of the visitors, strictly ascending.
    pub visitors: Vec<u32>,
    /// By place.
    pub sections: Vec<SectionFacts>,
}

/// The facts of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SectionFacts {
    pub place: u32,
    /// By place.
    pub items: Vec<ItemFacts>,
}

/// The facts of an item; visitors are ranks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ItemFacts {
    pub place: u32,
    pub facts: Vec<Fact>,
}
