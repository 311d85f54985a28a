//! The fast path asks the allocator for nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop loudly")]

use std::alloc::System;
use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use meridian_geo_routing::{
    Asker, Ground, Live, Manners, RoutingTable, Secret, Sources, Transport, Zone, respond_fast,
};
use meridian_regions::Registry;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn packet(name: &str, qtype: RecordType, subnet: Option<&str>) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    if let Some(subnet) = subnet {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        let subnet = ClientSubnet::new(subnet.parse().unwrap(), 24, 0);
        edns.options_mut().insert(EdnsOption::Subnet(subnet));
        edns.options_mut().insert(EdnsOption::Unknown(10, b"stranger".to_vec()));
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

#[test]
fn no_answer_of_the_fast_path_allocates() {
    let registry = Registry::embedded().unwrap();
    let manners = Manners { nsid: None, cookies: Some(Secret::new([7; 16])) };
    let sources = Sources { manners, ..Sources::new(registry, vec![Zone::embedded()]) };
    let ground = Arc::new(Ground::new(&sources, SystemTime::UNIX_EPOCH).unwrap());
    let table = RoutingTable::compile(ground, Live::new());
    let asker =
        Asker { source: "198.51.100.7".parse().unwrap(), transport: Transport::Udp, now: 0 };
    let packets: Vec<Vec<u8>> = [
        ("api.meridian.example.", RecordType::A, Some("53.128.0.0")),
        ("API.meridian.example.", RecordType::AAAA, Some("2a00:1450::")),
        ("eu.meridian.example.", RecordType::HTTPS, Some("18.141.0.0")),
        ("api.meridian.example.", RecordType::A, None),
        ("us-east.api.meridian.example.", RecordType::A, None),
        ("api.meridian.example.", RecordType::TXT, None),
        ("nobody.meridian.example.", RecordType::A, None),
        ("example.org.", RecordType::A, None),
    ]
    .map(|(name, qtype, subnet)| packet(name, qtype, subnet))
    .into();
    let mut room = [0; 1300];
    let mut answered = 0;
    let region = Region::new(ALLOCATOR);
    for _ in 0..1000 {
        for packet in &packets {
            answered += usize::from(respond_fast(&table, packet, &asker, &mut room).is_some());
        }
    }
    let change = region.change();
    assert_eq!(answered, 8000);
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
