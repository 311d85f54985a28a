//! How far a chain went, signed: whoever has a checkpoint knows every record before it, and a chain
//! that is cut or rewritten behind it does not fit any more.

use serde::{Deserialize, Serialize};

use crate::canonical::{Malformed, canonical};
use crate::chain::Hash;
use crate::signing::{Envelope, Fault, PublicKey, Signer};

/// What a checkpoint's envelope says it is.
pub const CHECKPOINT_TYPE: &str = "application/vnd.meridian.checkpoint+json";

/// How far a chain went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Which chain.
    pub chain: String,
    /// Number of this checkpoint: 0 and up without a gap.
    pub number: u64,
    /// Number of the first record under its root.
    pub first: u64,
    /// How many records the chain had.
    pub records: u64,
    /// Merkle root over the hashes of records `first` to `records`.
    pub root: Hash,
    /// Hash of the last record.
    pub head: Hash,
    /// SHA-256 of the envelope of the checkpoint before; zero for the first.
    pub previous: Hash,
    /// When, RFC 3339.
    pub at: String,
}

impl Checkpoint {
    /// Signs it.
    pub fn sign(&self, signer: &Signer) -> Result<Envelope, Malformed> {
        Ok(signer.sign(CHECKPOINT_TYPE, &canonical(self)?))
    }

    /// Reads a signed checkpoint.
    pub fn open(envelope: &str, keys: &[PublicKey]) -> Result<Self, Fault> {
        let (payload, _) = Envelope::from_text(envelope)?.open(CHECKPOINT_TYPE, keys)?;
        let checkpoint: Self = serde_json::from_slice(&payload).map_err(|_| Fault::Unreadable)?;
        let spelt = canonical(&checkpoint).map_err(|_| Fault::Unreadable)?;
        if spelt == payload { Ok(checkpoint) } else { Err(Fault::Unreadable) }
    }

    /// What an envelope says, believed of nobody: for those who hold it against something else.
    pub fn peek(envelope: &str) -> Option<Self> {
        let payload = Envelope::from_text(envelope).ok()?.unverified()?;
        serde_json::from_slice(&payload).ok()
    }

    /// One line for a printer, a newspaper or a notary.
    pub fn fingerprint(&self) -> String {
        format!("meridian {} {} {} {}", self.chain, self.number, self.records, self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_back_and_only_as_it_was_signed() {
        let signer = Signer::from_seed([1; 32]);
        let checkpoint = Checkpoint {
            chain: "eu-central".into(),
            number: 0,
            first: 0,
            records: 3,
            root: Hash::ZERO,
            head: Hash::ZERO,
            previous: Hash::ZERO,
            at: "2026-01-01T00:00:00Z".into(),
        };
        let text = checkpoint.sign(&signer).expect("whole numbers").to_text();
        assert_eq!(Checkpoint::open(&text, &[signer.public()]), Ok(checkpoint.clone()));
        // The same key under another type signs no checkpoint.
        let other = signer.sign("a/b", &canonical(&checkpoint).expect("whole numbers")).to_text();
        assert!(Checkpoint::open(&other, &[signer.public()]).is_err());
        assert!(checkpoint.fingerprint().starts_with("meridian eu-central 0 3 0000"));
    }
}
