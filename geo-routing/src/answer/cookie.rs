//! Server cookies (RFC 7873), in the form that servers of one name share (RFC 9018).
//!
//! A cookie proves that an asker receives what is sent to its address, so a question with a good
//! one is not a forged flood. Nothing is kept: a cookie is checked by making it again.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Bytes of the client's half.
pub(crate) const CLIENT_BYTES: usize = 8;
/// Bytes of the server's half as we make it.
pub(crate) const SERVER_BYTES: usize = 16;
/// Bytes of a whole cookie as we make it.
pub(crate) const COOKIE_BYTES: usize = CLIENT_BYTES + SERVER_BYTES;
/// Longest whole cookie (RFC 7873, 4).
pub(crate) const COOKIE_BYTES_MAX: usize = 40;

/// The version of RFC 9018.
const VERSION: u8 = 1;
/// How long a cookie is good (RFC 9018, 4.3).
const AGE_MAX_SECONDS: u32 = 3600;
/// How far a sister server's clock may be ahead.
const AHEAD_MAX_SECONDS: u32 = 300;

/// What cookies are made with; every server of a name has the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Not a secret.
#[derive(Debug, thiserror::Error)]
#[error("a cookie secret is 32 hexadecimal digits; make one with: openssl rand -hex 16")]
pub struct SecretError;

impl std::str::FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let digits = text.trim();
        let number = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32);
        number.map(|number| Self(number.to_be_bytes())).ok_or(SecretError)
    }
}

impl Secret {
    /// A secret of sixteen bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A secret of one's own, good until the process ends.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        Self(bytes)
    }

    /// The cookie for a client: its own half, and ours made now.
    pub(crate) fn make(&self, client: [u8; CLIENT_BYTES], source: IpAddr, now: u32) -> [u8; 24] {
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..8].copy_from_slice(&client);
        cookie[8] = VERSION;
        cookie[12..16].copy_from_slice(&now.to_be_bytes());
        let hash = self.hash(&cookie[..16], source);
        cookie[16..].copy_from_slice(&hash.to_le_bytes());
        cookie
    }

    /// Whether a whole cookie is one that we made for this address not long ago.
    pub(crate) fn is_good(&self, cookie: &[u8], source: IpAddr, now: u32) -> bool {
        if cookie.len() != COOKIE_BYTES || cookie[8] != VERSION {
            return false;
        }
        let made = u32::from_be_bytes([cookie[12], cookie[13], cookie[14], cookie[15]]);
        // Serial number arithmetic, so that the year 2106 is a day like any other.
        let age = now.wrapping_sub(made);
        let fresh = age <= AGE_MAX_SECONDS || made.wrapping_sub(now) <= AHEAD_MAX_SECONDS;
        let hash = self.hash(&cookie[..16], source).to_le_bytes();
        // No early exit: the time to refuse says nothing about how much was right.
        let different = hash.iter().zip(&cookie[16..]).fold(0, |sum, (a, b)| sum | (a ^ b));
        fresh && different == 0
    }

    fn hash(&self, head: &[u8], source: IpAddr) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(head);
        match source {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9018, appendix A.1: a first question and the cookie it is given.
    #[test]
    fn a_cookie_is_that_of_rfc_9018() {
        let secret: Secret = "e5e973e5a6b2a43f48e7dc849e37bfcf".parse().unwrap();
        let client = 0x2464_c4ab_cf10_c957_u64.to_be_bytes();
        let source: IpAddr = "198.51.100.100".parse().unwrap();
        let cookie = secret.make(client, source, 1_559_731_985);
        let hex: String = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "2464c4abcf10c957010000005cf79f111f8130c3eee29480");
        assert!(secret.is_good(&cookie, source, 1_559_731_985 + 3600));
    }

    #[test]
    fn a_cookie_that_is_old_early_bent_or_of_another_is_no_good() {
        let secret = Secret::new([7; 16]);
        let source: IpAddr = "2001:db8::7".parse().unwrap();
        let (client, now) = ([1; 8], 1_000_000);
        let cookie = secret.make(client, source, now);
        assert!(secret.is_good(&cookie, source, now));
        assert!(secret.is_good(&cookie, source, now - 300), "a sister's clock may be ahead");
        assert!(!secret.is_good(&cookie, source, now - 301));
        assert!(!secret.is_good(&cookie, source, now + 3601));
        assert!(!secret.is_good(&cookie, "2001:db8::8".parse().unwrap(), now));
        assert!(!Secret::new([8; 16]).is_good(&cookie, source, now));
        for bit in 0..cookie.len() * 8 {
            let mut bent = cookie;
            bent[bit / 8] ^= 1 << (bit % 8);
            // The three reserved bytes and the time are under the hash like all else.
            assert!(!secret.is_good(&bent, source, now), "bit {bit}");
        }
        for length in [0, 8, 23] {
            assert!(!secret.is_good(&cookie[..length], source, now));
        }
    }
}
