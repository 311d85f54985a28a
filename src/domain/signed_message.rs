//! Messages that prove who sent them, as Standard Webhooks 1.0.0 says: HMAC-SHA-256 (RFC 2104) over
//! `id.timestamp.body`. The same form for what we send and for what other companies send us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

/// The header with the message's id.
pub const ID: &str = "webhook-id";
/// The header with the second at which it was sent.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with its signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";
/// What a secret's text begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Fewest and most bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How far the sender's clock may be from ours.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What both sides know.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// Sent too long ago, or in the future.
    #[error("the message is older or newer than five minutes")]
    Stale,
    /// No signature is right.
    #[error("no signature of the message is right")]
    Forged,
}

impl Secret {
    /// A secret from its bytes: 24 to 64 of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        SECRET_BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// A secret from its text, `whsec_` and base64.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?)
    }

    /// Its text, for whoever is to check what we send.
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message.
    pub fn sign(&self, id: &str, sent_at: Timestamp, body: &[u8]) -> String {
        let code = self.mac(id, &sent_at.as_second().to_string(), body).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(code))
    }

    /// Whether a message is from somebody who knows the secret, and fresh.
    pub fn verify(
        &self,
        id: &str,
        sent_at: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Unproven> {
        let second = sent_at.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let at = second.ok_or(Unproven::Stale)?;
        if now.duration_since(at).abs() > TOLERANCE {
            return Err(Unproven::Stale);
        }
        // Each is compared in constant time.
        let right = |code: &str| {
            let Ok(code) = STANDARD.decode(code) else { return false };
            self.mac(id, sent_at, body).verify_slice(&code).is_ok()
        };
        let proven = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(right);
        if proven { Ok(()) } else { Err(Unproven::Forged) }
    }

    fn mac(&self, id: &str, second: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        for part in [id.as_bytes(), b".", second.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_674_087_231;

    fn verify(sent_at: &str, signatures: &str, body: &[u8], now: i64) -> Result<(), Unproven> {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let now = Timestamp::from_second(now).expect("a time");
        secret.verify("msg_p5jXN8AQM9LWM0D4loKWxJek", sent_at, signatures, body, now)
    }

    #[test]
    fn we_sign_as_the_library_of_the_standard_does() {
        let bytes: Vec<u8> = (0..32).collect();
        let secret = Secret::from_bytes(bytes).expect("long enough");
        let theirs = standardwebhooks::Webhook::new(&secret.reveal()).expect("a secret");
        let body = br#"{"type":"order.confirmed"}"#;
        let at = Timestamp::from_second(NOW).expect("a time");
        assert_eq!(secret.sign("msg_1", at, body), theirs.sign("msg_1", NOW, body).expect("text"));
    }

    #[test]
    fn only_the_same_bytes_in_time_are_believed() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let at = NOW.to_string();
        let good = secret.sign(id, Timestamp::from_second(NOW).expect("a time"), body);
        assert_eq!(verify(&at, &good, body, NOW + 299), Ok(()));
        assert_eq!(verify(&at, &format!("v1,AAAA v1a,BBBB {good}"), body, NOW), Ok(()));
        assert_eq!(verify(&at, &good, body, NOW + 301), Err(Unproven::Stale));
        assert_eq!(verify(&at, &good, body, NOW - 301), Err(Unproven::Stale));
        assert_eq!(verify("soon", &good, body, NOW), Err(Unproven::Stale));
        assert_eq!(verify(&(NOW + 1).to_string(), &good, body, NOW), Err(Unproven::Forged));
        assert_eq!(verify(&at, &good, br#"{"test": 2432232315}"#, NOW), Err(Unproven::Forged));
        for forged in ["", "v1,", "v1,!", "v2,AAAA", &good[..good.len() - 4]] {
            assert_eq!(verify(&at, forged, body, NOW), Err(Unproven::Forged), "{forged}");
        }
    }

    #[test]
    fn a_secret_is_neither_short_nor_long_nor_bare() {
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_?"] {
            assert!(Secret::parse(text).is_none(), "{text}");
        }
    }
}
