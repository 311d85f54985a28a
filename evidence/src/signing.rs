//! Signatures: Ed25519 (RFC 8032) over DSSE envelopes, which bind what a payload is to what it
//! says. An envelope has one signature and one spelling; another spelling is another envelope.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::canonical::{Malformed, canonical};
use crate::chain::Hash;

/// Digits of a key's id.
const KEY_ID_CHARS: usize = 16;

/// Signs; its key is wiped when it goes.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public().key_id())
    }
}

/// Whom a signature is held against.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.key_id())
    }
}

/// A signed payload (DSSE 1.0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    payload: String,
    payload_type: String,
    signatures: [OneSignature; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneSignature {
    keyid: String,
    sig: String,
}

/// Why an envelope is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No envelope, or not in its one spelling.
    #[error("is no signed envelope in its one spelling")]
    Unreadable,
    /// Of another kind.
    #[error("is a signed {0}, not a {1}")]
    OtherType(String, String),
    /// None of the keys that are trusted.
    #[error("is signed by the key {0}, which is none of those given")]
    OtherKey(String),
    /// The signature is not of this payload.
    #[error("has a signature that is not of it")]
    Wrong,
}

/// What is signed: the type and the payload, each with its length (DSSE, pre-authentication
/// encoding).
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Signer {
    /// A signer from the 32 bytes of its seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// What others hold its signatures against.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a payload of a type.
    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Envelope {
        let signature = self.0.sign(&encoded(payload_type, payload));
        Envelope {
            payload: STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: [OneSignature {
                keyid: self.public().key_id(),
                sig: STANDARD.encode(signature.to_bytes()),
            }],
        }
    }
}

impl PublicKey {
    /// A key from its 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = || Malformed("a public key is 32 bytes of Ed25519".to_owned());
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| wrong())?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| wrong())?;
        // Under a weak key one signature is right for many messages.
        if key.is_weak() { Err(wrong()) } else { Ok(Self(key)) }
    }

    /// Reads 64 hexadecimal digits, as [`Self::to_text`] writes them.
    pub fn from_text(text: &str) -> Result<Self, Malformed> {
        let hash: Hash = text.trim().parse().map_err(|_| {
            Malformed("a public key is a line of 64 lower-case hexadecimal digits".to_owned())
        })?;
        Self::from_bytes(&hash.0)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its bytes in hexadecimal.
    pub fn to_text(&self) -> String {
        Hash(self.to_bytes()).to_string()
    }

    /// A short name for it: the begin of its SHA-256.
    pub fn key_id(&self) -> String {
        Hash::of(&self.to_bytes()).to_string()[..KEY_ID_CHARS].to_owned()
    }
}

impl Envelope {
    /// Its one spelling, on one line.
    pub fn to_text(&self) -> String {
        let bytes = canonical(self).expect("an envelope is strings only");
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    /// Reads its one spelling and no other.
    pub fn from_text(text: &str) -> Result<Self, Fault> {
        let envelope: Self = serde_json::from_str(text).map_err(|_| Fault::Unreadable)?;
        if envelope.to_text() == text { Ok(envelope) } else { Err(Fault::Unreadable) }
    }

    /// The payload, whoever signed it.
    pub(crate) fn unverified(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.payload).ok()
    }

    /// The payload, and the id of the key that signed it.
    pub fn open(&self, payload_type: &str, keys: &[PublicKey]) -> Result<(Vec<u8>, String), Fault> {
        if self.payload_type != payload_type {
            return Err(Fault::OtherType(self.payload_type.clone(), payload_type.to_owned()));
        }
        let [signature] = &self.signatures;
        let payload = STANDARD.decode(&self.payload).map_err(|_| Fault::Unreadable)?;
        let bytes = STANDARD.decode(&signature.sig).map_err(|_| Fault::Unreadable)?;
        let bytes = Signature::from_slice(&bytes).map_err(|_| Fault::Unreadable)?;
        let key = keys.iter().find(|key| key.key_id() == signature.keyid);
        let key = key.ok_or_else(|| Fault::OtherKey(signature.keyid.clone()))?;
        let message = encoded(payload_type, &payload);
        key.0.verify_strict(&message, &bytes).map_err(|_| Fault::Wrong)?;
        Ok((payload, signature.keyid.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_opens_with_its_key_its_type_and_its_every_byte() {
        let signer = Signer::from_seed([7; 32]);
        let keys = [signer.public()];
        let text = signer.sign("a/b", b"what was seen").to_text();
        let opened = Envelope::from_text(&text).expect("its own spelling").open("a/b", &keys);
        assert_eq!(opened, Ok((b"what was seen".to_vec(), keys[0].key_id())));
        let envelope = Envelope::from_text(&text).expect("its own spelling");
        assert!(matches!(envelope.open("a/c", &keys), Err(Fault::OtherType(..))));
        let other = [Signer::from_seed([8; 32]).public()];
        assert!(matches!(envelope.open("a/b", &other), Err(Fault::OtherKey(_))));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(flipped) = String::from_utf8(bytes) else { continue };
                let opened = Envelope::from_text(&flipped).and_then(|it| it.open("a/b", &keys));
                assert!(opened.is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn keys_are_read_back_and_weak_ones_refused() {
        let public = Signer::from_seed([7; 32]).public();
        assert_eq!(PublicKey::from_text(&format!("{}\n", public.to_text())).ok(), Some(public));
        assert!(PublicKey::from_text("abc").is_err());
        let mut weak = [0_u8; 32];
        weak[0] = 1;
        assert!(PublicKey::from_bytes(&weak).is_err(), "the neutral element signs everything");
    }

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // RFC 8032, 7.1, test 1: the key pair; the message differs, since DSSE wraps it.
        let seed: Hash = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
            .parse()
            .expect("hexadecimal");
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(Signer::from_seed(seed.0).public().to_text(), public);
        assert_eq!(encoded("t", b"xy"), b"DSSEv1 1 t 2 xy");
    }
}
