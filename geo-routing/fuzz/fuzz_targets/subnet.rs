//! Text through the reader of networks, which an operator's and a browser's words reach.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meridian_geo_routing::Subnet;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(subnet) = text.parse::<Subnet>() else { return };
    assert!(subnet.contains(subnet.address()), "{subnet} holds its first address");
    assert_eq!(subnet.to_string().parse::<Subnet>().ok(), Some(subnet), "it is written as read");
    assert_eq!(
        Subnet::new(subnet.address(), subnet.prefix()),
        Some(subnet),
        "nothing is masked twice"
    );
});
