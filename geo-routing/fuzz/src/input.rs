//! Bytes to who asks which table what.
//!
//! Four bytes in front of a packet choose the table, the asker's address, the transport and the
//! time, so that chance can change each without moving the packet.

use std::net::{IpAddr, Ipv4Addr};

use meridian_geo_routing::{Asker, Transport};

use crate::worlds::{World, world};

/// Bytes in front of the packet.
pub const CHOICE_BYTES: usize = 4;

/// Addresses of every kind: of each continent, special, carried, and both ends of the space.
const SOURCES: [&str; 24] = [
    "53.128.0.1",
    "34.248.0.1",
    "29.128.0.1",
    "18.141.0.1",
    "41.0.0.1",
    "200.160.0.1",
    "1.128.0.1",
    "10.0.0.1",
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "203.0.113.7",
    "2a00:1450:4001::1",
    "2600:1f18::1",
    "2406:da18::1",
    "2001:db8::7",
    "::1",
    "::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "::ffff:53.128.0.1",
    "64:ff9b::18.141.0.1",
    "2002:1d80:1::1",
    "2001:0:4136:e378:8000:63bf:ca7f:fffe",
    "fe80::1",
];

/// Seconds since 1970 to count from: a usual day, the first, and the last of the 32 bits.
const DAYS: [u32; 4] = [NOW, 0, u32::MAX, i32::MAX as u32];

/// The usual time.
pub const NOW: u32 = 1_000_000_000;

/// Seconds before and behind a day: the edges of what a cookie is good for.
const SHIFTS: [i32; 16] =
    [0, 1, -1, 299, 300, 301, -299, -300, -301, 3599, 3600, 3601, -3599, -3600, -3601, 86_400];

/// What the first bytes choose.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Which table.
    pub world: u8,
    /// Which address: one of the list, or an address of IPv4 with this first byte.
    pub source: u8,
    /// Which transport; UDP more often than not.
    pub transport: u8,
    /// Which day, and how far from it.
    pub time: u8,
}

impl Choice {
    /// The table and who asks it.
    pub fn asker(&self) -> (&'static World, Asker) {
        let source = match SOURCES.get(usize::from(self.source)) {
            Some(text) => text.parse().expect("the list holds addresses"),
            None => IpAddr::V4(Ipv4Addr::new(self.source, self.time, self.world, self.transport)),
        };
        let transport = match self.transport % 8 {
            0..=4 => Transport::Udp,
            5 => Transport::Tcp,
            6 => Transport::Tls,
            _ => Transport::Https,
        };
        (world(self.world), Asker { source, transport, now: time(self.time) })
    }
}

/// The time that a byte chooses.
pub fn time(choice: u8) -> u32 {
    let day = DAYS[usize::from(choice >> 4) % DAYS.len()];
    day.wrapping_add_signed(SHIFTS[usize::from(choice & 15)])
}

/// Splits an input; `None` if it is too short to choose.
pub fn split(input: &[u8]) -> Option<(Choice, &[u8])> {
    let ([world, source, transport, time], packet) = input.split_first_chunk()?;
    let choice = Choice { world: *world, source: *source, transport: *transport, time: *time };
    Some((choice, packet))
}
