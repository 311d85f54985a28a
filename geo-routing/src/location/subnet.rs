//! A network as people and resolvers write it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Serialize;

/// A network: what a resolver says of its client, or a person asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

/// Not a network.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no address or network; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/56")]
pub struct SubnetError(String);

impl Subnet {
    /// The network of that many leading bits around an address; the other bits are dropped.
    /// `None` when the address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.prefix).is_some_and(|it| {
            it.address == self.address && address.is_ipv4() == self.address.is_ipv4()
        })
    }

    /// The number of leading bits that are given; 0 says nothing about the client.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let parsed = match text.split_once('/') {
            Some((address, prefix)) => address.parse().ok().zip(prefix.parse().ok()),
            None => text.parse().ok().map(|ip: IpAddr| (ip, if ip.is_ipv4() { 32 } else { 128 })),
        };
        parsed
            .and_then(|(address, prefix)| Self::new(address, prefix))
            .ok_or_else(|| SubnetError(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_drops_the_bits_beyond_its_prefix() {
        let parse = |text: &str| text.parse::<Subnet>().map(|subnet| subnet.to_string()).ok();
        assert_eq!(parse("203.0.113.7/24").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(parse("203.0.113.7").as_deref(), Some("203.0.113.7/32"));
        assert_eq!(parse("2001:db8::1/0").as_deref(), Some("::/0"));
        assert_eq!(parse("203.0.113.7/33"), None);
        assert_eq!(parse("berlin"), None);
    }
}
