//! The Merkle tree over all entries of a log (RFC 6962): roots, and proofs of inclusion.
//! Proofs are checked by the `ct-merkle` crate, which shares nothing with what makes them.

use ct_merkle::{InclusionProof, RootHash};
use sha2::Sha256;

use super::Hash;

/// What must be kept of a tree to add leaves to it: the roots of its perfect subtrees,
/// the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Of a tree with so many leaves, if that many subtrees are what it has.
    pub fn new(size: u64, roots: Vec<Hash>) -> Option<Self> {
        let fits = u32::try_from(roots.len()) == Ok(size.count_ones());
        fits.then_some(Self { size, roots })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                root = Hash::of_node(&left, &root);
            }
        }
        self.roots.push(root);
        self.size = self.size.saturating_add(1);
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else {
            return Hash::of(b"");
        };
        roots.fold(*last, |right, left| Hash::of_node(left, &right))
    }
}

/// The root of the tree of these leaves.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The path from the leaf `index` to the root, from the leaf up.
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    match leaves.len() {
        0 => None,
        1 => (index == 0).then(Vec::new),
        n => {
            let (left, right) = leaves.split_at_checked(n.next_power_of_two() / 2)?;
            let (mut path, other) = if index < left.len() {
                (inclusion(left, index)?, right)
            } else {
                (inclusion(right, index.checked_sub(left.len())?)?, left)
            };
            path.push(root(other));
            Some(path)
        }
    }
}

/// Whether `path` leads from `line` at `index` to the root of a tree of `size` leaves.
pub fn is_included(line: &[u8], index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    let bytes = path.iter().flat_map(|hash| hash.0).collect();
    let Ok(proof) = InclusionProof::<Sha256>::try_from_bytes(bytes) else {
        return false;
    };
    let root = RootHash::<Sha256>::new(root.0.into(), size);
    index < size && root.verify_inclusion(&line, index, &proof).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|i| format!("line {i}").into_bytes()).collect()
    }

    #[test]
    fn roots_are_those_of_another_implementation() {
        for count in 0..70 {
            let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
            lines(count).into_iter().for_each(|line| theirs.push(line));
            let leaves: Vec<Hash> = lines(count).iter().map(|line| Hash::of_line(line)).collect();
            assert_eq!(root(&leaves).0[..], theirs.root().as_bytes()[..], "{count}");
        }
    }

    #[test]
    fn a_path_proves_its_line_and_no_other() {
        for count in 1..40 {
            let lines = lines(count);
            let leaves: Vec<Hash> = lines.iter().map(|line| Hash::of_line(line)).collect();
            let (root, size) = (root(&leaves), count as u64);
            for (i, line) in lines.iter().enumerate() {
                let path = inclusion(&leaves, i).unwrap();
                assert!(is_included(line, i as u64, size, &path, &root), "{i} of {count}");
                assert!(!is_included(b"another", i as u64, size, &path, &root));
                if count > 1 {
                    let elsewhere = (i + 1) % count;
                    assert!(!is_included(line, elsewhere as u64, size, &path, &root));
                }
            }
            assert_eq!(inclusion(&leaves, count), None);
        }
    }

    #[test]
    fn a_frontier_goes_on_where_it_was_left() {
        let leaves: Vec<Hash> = lines(41).iter().map(|line| Hash::of_line(line)).collect();
        let mut frontier = Frontier::default();
        for (i, leaf) in leaves.iter().enumerate() {
            frontier = Frontier::new(frontier.size(), frontier.roots().to_vec()).unwrap();
            frontier.push(*leaf);
            assert_eq!(frontier.root(), root(&leaves[..=i]));
        }
        assert_eq!(Frontier::new(3, vec![Hash::NONE]), None);
    }
}
