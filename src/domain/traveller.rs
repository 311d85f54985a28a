//! What a person tells us, in types that do not leak it.

use std::fmt;

use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Longest e-mail address, by RFC 5321.
const EMAIL_BYTES_MAX: usize = 254;
/// Longest name that a document carries, with room.
const NAME_CHARS_MAX: usize = 100;
/// Shortest password (NIST SP 800-63B asks for 8).
const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password that is hashed, so that nobody makes us hash a novel.
const PASSWORD_BYTES_MAX: usize = 256;

/// A value about a person. It prints as a tag, never as itself, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Pii<T: Zeroize>(T);

impl<T: Zeroize> Pii<T> {
    /// Takes a personal value into care.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the two places that may see it: the sealer and the supplier's request.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Pii<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// An e-mail address, normalised: trimmed and lower-cased.
#[derive(Clone, Debug)]
pub struct Email(Pii<String>);

impl Email {
    /// Parses what somebody typed. The error never repeats it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().to_lowercase();
        let (local, host) = text.split_once('@').ok_or("an e-mail address has one @")?;
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if local.is_empty() || !host.contains('.') || host.contains('@') || !plain {
            return Err("not an e-mail address");
        }
        if text.len() > EMAIL_BYTES_MAX {
            return Err("an e-mail address has at most 254 bytes");
        }
        Ok(Self(Pii::new(text)))
    }

    /// The address, for the sealer.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// SHA-256 of the address: what a client may show to any region to learn its home.
    pub fn subject(&self) -> Subject {
        Subject(Sha256::digest(self.expose().as_bytes()).into())
    }
}

/// SHA-256 of a normalised e-mail address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subject(pub [u8; 32]);

impl Subject {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// A password on its way to be hashed.
#[derive(Clone, Debug)]
pub struct Password(Pii<String>);

impl Password {
    /// Checks the length only: composition rules make passwords worse (NIST SP 800-63B).
    pub fn parse(text: String) -> Result<Self, &'static str> {
        let password = Pii::new(text);
        if password.expose().chars().count() < PASSWORD_CHARS_MIN {
            return Err("a password has at least 8 characters");
        }
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return Err("a password has at most 256 bytes");
        }
        Ok(Self(password))
    }

    /// The password, for the hasher.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// A name as a travel document carries it.
#[derive(Clone, Debug)]
pub struct Name(Pii<String>);

impl Name {
    /// Parses what somebody typed: letters of any script, marks, spaces, hyphens and apostrophes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > NAME_CHARS_MAX {
            return Err("a name has 1 to 100 characters");
        }
        if text.chars().any(|c| c.is_control() || c.is_ascii_digit() || "<>{}@\\\"".contains(c)) {
            return Err("a name has letters, spaces, hyphens and apostrophes");
        }
        Ok(Self(Pii::new(text.to_owned())))
    }

    /// The name, for the sealer and the airline.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Who flies.
#[derive(Clone, Debug)]
pub struct Passenger {
    /// Given names.
    pub given_name: Name,
    /// Family name; suppliers' sandboxes read magic inputs here.
    pub family_name: Name,
    /// Date of birth.
    pub born_on: jiff::civil::Date,
}

impl<'de> Deserialize<'de> for Pii<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_is_printed() {
        let email = Email::parse(" Ada@Example.org ").expect("an address");
        assert_eq!(email.expose(), "ada@example.org");
        let name = Name::parse("Łukasz O'Brien-Ñandú").expect("a name");
        let shown = format!("{email:?} {name:?} {:?}", email.subject());
        assert!(!shown.contains("ada") && !shown.contains("Brien"), "{shown}");
    }

    #[test]
    fn bad_input_is_refused_without_being_repeated() {
        for text in ["", "ada", "ada@", "@example.org", "a b@example.org", "a@b@c.d", "a@local"] {
            let error = Email::parse(text).expect_err("not an address");
            assert!(text.is_empty() || !error.contains(text));
        }
        assert!(Name::parse("R2D2").is_err());
        assert!(Name::parse(&"x".repeat(101)).is_err());
        assert!(Password::parse("short".into()).is_err());
        assert!(Subject::parse("zz").is_none());
        assert!(Subject::parse(&"é".repeat(32)).is_none());
    }
}
