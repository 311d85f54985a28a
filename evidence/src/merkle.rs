//! One hash for many records, and a short proof for each of them: the tree of RFC 6962, section
//! 2.1, whose leaves are the records' hashes ([`crate::chain::record_hash`] is its leaf hash).

use sha2::{Digest, Sha256};

use crate::chain::Hash;

/// What an inner node begins with.
const NODE: u8 = 0x01;

fn node(left: Hash, right: Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([NODE]);
    hash.update(left.0);
    hash.update(right.0);
    Hash(hash.finalize().into())
}

/// The largest power of two below a number of leaves; there are two at least.
fn split(leaves: usize) -> usize {
    let half = leaves.next_power_of_two() / 2;
    half.max(1)
}

/// The root over leaves; of none, the hash of nothing.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(root(left), root(right))
        }
    }
}

/// The hashes that lead from a leaf to the root, from below; `None` when there is no such leaf.
pub fn proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (proof(left, index)?, root(right)),
        Some(index) => (proof(right, index)?, root(left)),
    };
    path.push(sibling);
    Some(path)
}

/// Whether a leaf is the one at an index of so many under a root (RFC 9162, 2.1.3.2).
pub fn verify(root: Hash, leaves: usize, index: usize, leaf: Hash, path: &[Hash]) -> bool {
    if index >= leaves {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, leaves - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node(*sibling, hash);
            while at.is_multiple_of(2) && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node(hash, *sibling);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && hash == root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::record_hash;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| record_hash(&n.to_string())).collect()
    }

    #[test]
    fn known_roots() {
        // RFC 6962: the root of no leaves is SHA-256 of nothing, that of the one empty leaf is
        // SHA-256 of 0x00.
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(root(&[]).to_string(), nothing);
        let empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(root(&[record_hash("")]).to_string(), empty);
        let [a, b, c] = [0, 1, 2].map(|n| leaves(3)[n]);
        assert_eq!(root(&leaves(3)), node(node(a, b), c));
    }

    #[test]
    fn every_leaf_has_a_proof_and_nothing_else_has() {
        for count in 1..=64 {
            let leaves = leaves(count);
            let root = root(&leaves);
            for index in 0..count {
                let path = proof(&leaves, index).expect("there is such a leaf");
                assert!(verify(root, count, index, leaves[index], &path), "{index} of {count}");
                assert!(!verify(root, count, index, Hash::ZERO, &path));
                assert!(
                    !verify(root, count, (index + 1) % count, leaves[index], &path) || count == 1
                );
                if let Some((_, short)) = path.split_last() {
                    assert!(!verify(root, count, index, leaves[index], short));
                }
            }
            assert_eq!(proof(&leaves, count), None);
        }
    }
}
