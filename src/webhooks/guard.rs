//! Where a webhook may go: only out of the house. A traveller names the address, so it may name our
//! own machines; neither a number written oddly, nor a name that leads inside, nor a name that
//! leads outside now and inside a moment later gets there.
//!
//! A name is looked up by us, every address it leads to is checked, and the connection is made to
//! one of these: whoever connects asks nobody again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sha2::{Digest, Sha256};

/// Longest address that is taken.
const URL_BYTES_MAX: usize = 2048;

/// Longest that looking a name up may take.
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(3);

/// How far a webhook may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses, over TLS, on its own port.
    #[default]
    World,
    /// This machine and its networks too, over plain HTTP too: for a try-out.
    Anywhere,
}

/// Why a webhook may not go somewhere, in a sentence for whoever named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Forbidden(pub &'static str);

/// An address that may be asked for: read, and without anything that hides where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Reads an address; the host's own addresses are looked at when it is looked up.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, Forbidden> {
        if text.len() > URL_BYTES_MAX {
            return Err(Forbidden("2048 bytes at most"));
        }
        // Some read these as nothing, others as a slash; whoever means well writes neither.
        if text.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control()) {
            return Err(Forbidden("an address without spaces and backslashes"));
        }
        let url =
            Url::parse(text).map_err(|_| Forbidden("an address such as https://host/path"))?;
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(Forbidden("an address with a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Forbidden("no user and no password; the signature proves who calls"));
        }
        if url.fragment().is_some() {
            return Err(Forbidden("no fragment: it is never sent"));
        }
        match reach {
            Reach::Anywhere if matches!(url.scheme(), "https" | "http") => {}
            Reach::World if url.scheme() == "https" => out_of_the_house(&url, host)?,
            Reach::Anywhere | Reach::World => return Err(Forbidden("an https address")),
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The bulkhead of its host: sixteen bits of a hash, enough to tell hosts apart and too few to
    /// tell which.
    pub fn lane(&self) -> i64 {
        let host = self.0.host_str().unwrap_or_default();
        let hash = Sha256::digest(host.as_bytes());
        i64::from(u16::from_be_bytes([hash[0], hash[1]]))
    }

    /// Whether its host leads out of the house now.
    pub async fn look_up(&self, reach: Reach) -> Result<(), Forbidden> {
        match reach {
            Reach::Anywhere => Ok(()),
            Reach::World => addresses(self.0.host_str().unwrap_or_default()).await.map(drop),
        }
    }
}

/// What can be told from the text alone. The parser writes a number in any spelling (decimal,
/// octal, hexadecimal, short) as an address, so that none passes as a name.
fn out_of_the_house(url: &Url, host: &str) -> Result<(), Forbidden> {
    if url.port().is_some() {
        return Err(Forbidden("no port but 443"));
    }
    if host.starts_with('[') || Ipv4Addr::from_str(host).is_ok() {
        return Err(Forbidden("a host's name, not its number: its certificate proves the name"));
    }
    // A name without a dot inside is a machine of somebody's own network.
    if !host.contains('.') || host.ends_with('.') {
        return Err(Forbidden("a host's full name, without a dot at its end"));
    }
    Ok(())
}

/// Every address of a host, if all of them are out of the house.
async fn addresses(host: &str) -> Result<Vec<SocketAddr>, Forbidden> {
    let found = tokio::time::timeout(LOOK_UP_PATIENCE, tokio::net::lookup_host((host, 0))).await;
    checked(found.map_err(|_| UNKNOWN)?.map_err(|_| UNKNOWN)?.collect())
}

const UNKNOWN: Forbidden = Forbidden("a host that can be found");

/// One address inside is enough to refuse all: whoever mixes them means the one inside.
fn checked(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
    if found.is_empty() {
        return Err(UNKNOWN);
    }
    if found.iter().any(|address| !is_public(address.ip())) {
        return Err(Forbidden("a host on the public internet"));
    }
    Ok(found)
}

/// What whoever connects asks for addresses.
pub struct Guard(pub Reach);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found = match reach {
                Reach::World => addresses(name.as_str()).await?,
                Reach::Anywhere => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
            };
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the public internet, by IANA's registries of special purposes
/// (RFC 6890 and its updates). IPv6 is asked the other way round: only what is handed out at all,
/// so that mapped, translated (NAT64), local and unassigned addresses are out together.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|block| block.contains(u32::from(v4).into())),
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            HANDED_OUT_V6.contains(bits) && !SPECIAL_V6.iter().any(|block| block.contains(bits))
        }
    }
}

/// Addresses that begin alike.
struct Block {
    first: u128,
    /// Bits that may differ.
    free: u32,
}

impl Block {
    fn contains(&self, bits: u128) -> bool {
        bits >> self.free == self.first >> self.free
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32) -> Block {
    Block { first: u32::from_be_bytes([a, b, c, d]) as u128, free: 32 - length }
}

const fn v6(a: u16, b: u16, c: u16, length: u32) -> Block {
    Block { first: Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_bits(), free: 128 - length }
}

/// What is not of the public internet.
const SPECIAL_V4: &[Block] = &[
    v4(0, 0, 0, 0, 8),        // this network
    v4(10, 0, 0, 0, 8),       // private
    v4(100, 64, 0, 0, 10),    // shared by a provider's customers (CGNAT)
    v4(127, 0, 0, 0, 8),      // this machine
    v4(168, 63, 129, 16, 32), // a cloud's own services, on an address that looks public
    v4(169, 254, 0, 0, 16),   // this link, and clouds' metadata
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocols
    v4(192, 0, 2, 0, 24),     // documents
    v4(192, 31, 196, 0, 24),  // AS112
    v4(192, 52, 193, 0, 24),  // multicast by tunnel
    v4(192, 88, 99, 0, 24),   // 6to4
    v4(192, 168, 0, 0, 16),   // private
    v4(192, 175, 48, 0, 24),  // AS112
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documents
    v4(203, 0, 113, 0, 24),   // documents
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, and broadcast
];

/// The part of IPv6 that is handed out.
const HANDED_OUT_V6: Block = v6(0x2000, 0, 0, 3);

/// What is not of the public internet although it lies in that part.
const SPECIAL_V6: &[Block] = &[
    v6(0x2001, 0, 0, 23),      // protocols, and Teredo, which holds IPv4 addresses
    v6(0x2001, 0x0db8, 0, 32), // documents
    v6(0x2002, 0, 0, 16),      // 6to4, which holds IPv4 addresses
    v6(0x2620, 0x4f, 0x8000, 48), // AS112
    v6(0x3fff, 0, 0, 20),      // documents
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(text: &str) -> bool {
        Target::parse(text, Reach::World).is_ok()
    }

    #[test]
    fn only_a_plain_address_of_a_named_host_is_taken() {
        for text in [
            "https://hooks.example.com/meridian",
            "https://hooks.example.com:443/a?b=c",
            "https://xn--mnchen-3ya.example/",
            "https://münchen.example/",
            "HTTPS://HOOKS.EXAMPLE.COM",
        ] {
            assert!(is_allowed(text), "{text}");
        }
        for text in [
            "",
            "hooks.example.com",
            "//hooks.example.com/",
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "file:///etc/passwd",
            "gopher://hooks.example.com/",
            "data:text/plain,x",
            "https://",
            "https:///",
            "https://user@hooks.example.com/",
            "https://user:pass@hooks.example.com/",
            "https://:pass@hooks.example.com/",
            "https://hooks.example.com@127.0.0.1/",
            "https://hooks.example.com/#a",
            "https://hooks.example.com:80/",
            "https://hooks.example.com:8443/",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:99999/",
            "https://hooks.example.com./",
            "https://localhost/",
            "https://localhost./",
            "https://LOCALHOST/",
            "https://metadata/",
            "https://hooks exam ple.com/",
            "https://hooks.example.com\\@127.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https:\\\\hooks.example.com/",
            " https://hooks.example.com/",
            "https://hooks.example.com/\r\nHost: inside",
        ] {
            assert!(!is_allowed(text), "{text}");
        }
        assert!(!is_allowed(&format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX))));
    }

    #[test]
    fn a_number_is_a_number_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "１２７.０.０.１",
            "127。0。0。1",
            "8.8.8.8",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[2606:4700::1111]",
        ] {
            assert!(!is_allowed(&format!("https://{host}/")), "{host}");
        }
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_outside() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2620:4f:8000::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().expect(inside)), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "168.63.129.17",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2620:4f:8001::1",
            "2a00:1450::1",
        ] {
            assert!(is_public(outside.parse().expect(outside)), "{outside}");
        }
    }

    #[test]
    fn one_address_inside_is_enough_to_refuse_a_host() {
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), 0);
        assert_eq!(checked(vec![at("8.8.8.8"), at("1.1.1.1")]).expect("public").len(), 2);
        for inside in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1"] {
            assert!(checked(vec![at("8.8.8.8"), at(inside)]).is_err(), "{inside}");
        }
        assert_eq!(checked(Vec::new()), Err(UNKNOWN));
    }

    #[tokio::test]
    async fn whoever_connects_is_told_no_address_inside() {
        let name = || Name::from_str("localhost").expect("a name");
        let refused = Guard(Reach::World).resolve(name()).await;
        let refused = refused.err().expect("it leads to this machine");
        assert_eq!(refused.to_string(), "a host on the public internet");
        let found = Guard(Reach::Anywhere).resolve(name()).await.expect("this machine");
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn a_lane_is_of_the_host_alone() {
        let lane = |text: &str| Target::parse(text, Reach::World).expect(text).lane();
        assert_eq!(lane("https://a.example/one"), lane("https://A.example/two?x=1"));
        assert_ne!(lane("https://a.example/"), lane("https://b.example/"));
        assert!((0..65536).contains(&lane("https://a.example/")));
    }
}
