//! Money: whole minor units of an ISO 4217 currency. Exponents come from ISO 4217 list one, not
//! from CLDR, which says 0 where ISO says 2 for some currencies.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

static EXPONENTS: LazyLock<BTreeMap<[u8; 3], u32>> = LazyLock::new(|| {
    let mut reader =
        csv::Reader::from_reader(include_bytes!("../../data/currencies.csv").as_slice());
    reader
        .records()
        .flatten()
        .filter_map(|row| {
            let code: [u8; 3] = row.get(0)?.as_bytes().try_into().ok()?;
            Some((code, row.get(1)?.parse().ok()?))
        })
        .collect()
});

/// An ISO 4217 currency with a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro, in which prices are made.
    pub const EUR: Self = Self(*b"EUR");

    /// The three capitals.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is made of ASCII letters only")
    }

    /// The bytes of its code, for a compact form.
    pub fn bytes(&self) -> [u8; 3] {
        self.0
    }

    /// How many decimal digits the minor unit has: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(&self) -> u32 {
        EXPONENTS.get(&self.0).copied().unwrap_or(2)
    }

    /// How many minor units one major unit has.
    pub fn minor_per_major(&self) -> f64 {
        f64::from(10_u32.pow(self.exponent()))
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <[u8; 3]>::try_from(text.as_bytes())
            .ok()
            .filter(|code| EXPONENTS.contains_key(code))
            .map(Self)
            .ok_or_else(|| "not an ISO 4217 currency code, such as EUR or JPY".to_owned())
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units. Never added across currencies: there is no `Add`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units: cents, yen, fils.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

impl Money {
    /// The same number of minor units, so many times.
    pub fn times(&self, count: u8) -> Self {
        Self { amount_minor: self.amount_minor * i64::from(count), currency: self.currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.exponent() as usize;
        let scale = 10_i64.pow(self.currency.exponent());
        let (major, minor) = (self.amount_minor / scale, self.amount_minor % scale);
        if digits == 0 {
            write!(f, "{major} {}", self.currency)
        } else {
            write!(f, "{major}.{:0digits$} {}", minor.abs(), self.currency)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_iso_4217() {
        let exponent = |code: &str| code.parse::<Currency>().expect("a currency").exponent();
        assert_eq!((exponent("EUR"), exponent("JPY"), exponent("KWD")), (2, 0, 3));
        assert_eq!(exponent("AFN"), 2);
        assert!("eur".parse::<Currency>().is_err());
        assert!("ZZZ".parse::<Currency>().is_err());
    }

    #[test]
    fn amounts_print_with_their_own_digits() {
        let show = |amount_minor, code: &str| {
            Money { amount_minor, currency: code.parse().expect("a currency") }.to_string()
        };
        assert_eq!(show(12_345, "EUR"), "123.45 EUR");
        assert_eq!(show(1_500, "JPY"), "1500 JPY");
        assert_eq!(show(1_005, "KWD"), "1.005 KWD");
    }
}
