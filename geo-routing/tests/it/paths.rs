//! Two paths, one answer: whatever the fast path says, hickory says in the same bytes.

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name, RecordType};
use meridian_geo_routing::{
    Asker, Condition, Kind, Live, Manners, RoutingTable, Secret, Sources, Transport, Zone, respond,
    respond_fast,
};

use crate::asker::*;

const NAMES: [&str; 16] = [
    "api.meridian.example.",
    "API.Meridian.EXAMPLE.",
    "eu.meridian.example.",
    "eu.meridian.exAmple.",
    "meridian.example.",
    "MERIDIAN.example.",
    "ns1.meridian.example.",
    "www.meridian.example.",
    "us-east.api.meridian.example.",
    "nobody.meridian.example.",
    "a.b.c.Nobody.meridian.example.",
    "below.ns1.meridian.example.",
    "below.hostmaster.meridian.example.",
    "mars.api.meridian.example.",
    "example.org.",
    ".",
];

const TYPES: [RecordType; 16] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::HTTPS,
    RecordType::NS,
    RecordType::SOA,
    RecordType::TXT,
    RecordType::CAA,
    RecordType::CNAME,
    RecordType::ANY,
    RecordType::DNSKEY,
    RecordType::RRSIG,
    RecordType::NSEC,
    RecordType::HINFO,
    RecordType::AXFR,
    RecordType::OPT,
    RecordType::Unknown(65_280),
];

const SUBNETS: [&str; 8] = [
    "53.128.0.0/24",
    "18.141.7.0/24",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "2a00::/12",
    "2600::/56",
    "::/0",
    "2002:3580::/40",
];

/// Every way to speak EDNS that is worth telling apart, and none.
fn spoken(message: &Message) -> Vec<Message> {
    let mut all = vec![message.clone()];
    let options: [&[(u16, &[u8])]; 7] = [
        &[],
        &[(10, b"stranger")],
        &[(10, b"stranger0123456701234567")],
        &[(3, b"")],
        &[(12, &[0; 30]), (65_001, b"unknown")],
        &[(11, b"")],
        &[(10, b"short")],
    ];
    for payload in [512, 1232, 4096] {
        for dnssec_ok in [false, true] {
            for options in options {
                let mut edns = Edns::new();
                edns.set_max_payload(payload);
                edns.set_dnssec_ok(dnssec_ok);
                for (code, value) in options {
                    edns.options_mut().insert(EdnsOption::Unknown(*code, value.to_vec()));
                }
                let mut message = message.clone();
                message.set_edns(edns);
                all.push(message);
            }
        }
    }
    all.extend(SUBNETS.map(|subnet| from_subnet(message.clone(), subnet)));
    all
}

/// The embedded zone, plain and signed, with everybody well, some sick, and some taking a share.
fn tables() -> Vec<RoutingTable> {
    let keys = Scratch::new();
    meridian_geo_routing::make_key(keys.path(), "meridian.example").unwrap();
    let shares = registry().with_endpoints(|region| {
        if region.name.starts_with("eu-") {
            region.dns.weight = 30;
        }
    });
    let mut tables = Vec::new();
    for signed in [false, true] {
        for registry in [registry(), shares] {
            let text = include_str!("../../zones/meridian.toml");
            let zone = Zone::parse(&format!("signed = {signed}\n{text}")).unwrap();
            let sources = Sources {
                keys: Some(keys.path().to_owned()),
                manners: Manners {
                    nsid: Some(b"ns1".to_vec()),
                    cookies: Some(Secret::new([7; 16])),
                },
                ..Sources::new(registry, vec![zone])
            };
            let ground = std::sync::Arc::new(ground_of(&sources));
            tables.push(RoutingTable::compile(ground.clone(), Live::new()));
            let sick = Live::from([(region("eu-central"), Condition::Sick)]);
            tables.push(RoutingTable::compile(ground, sick));
        }
    }
    tables
}

fn same(table: &RoutingTable, packet: &[u8], asker: &Asker) -> bool {
    let mut room = [0; 1300];
    let Some((length, quick)) = respond_fast(table, packet, asker, &mut room) else {
        return false;
    };
    let slow = respond(table, packet, asker).expect("what the fast path answers is answered");
    let told = Message::from_vec(&slow.bytes).unwrap();
    assert_eq!(room[..length], slow.bytes, "{told}");
    assert_eq!(
        (quick.rcode, quick.kind, quick.region, quick.fail_static, quick.known),
        (
            slow.outcome.rcode,
            slow.outcome.kind,
            slow.outcome.region,
            slow.outcome.fail_static,
            slow.outcome.known
        ),
        "{told}"
    );
    assert!(!slow.outcome.truncated);
    true
}

#[test]
fn both_paths_say_the_same_bytes() {
    let mut quick = 0;
    let mut all = 0;
    for table in tables() {
        for name in NAMES {
            for qtype in TYPES {
                for message in spoken(&question(name, qtype)) {
                    let packet = message.to_vec().unwrap();
                    for transport in Transport::ALL {
                        let asker = asker("18.141.0.1".parse().unwrap(), transport);
                        quick += usize::from(same(&table, &packet, &asker));
                        all += 1;
                    }
                }
            }
        }
    }
    assert!(quick * 3 > all, "{quick} of {all} questions took the fast path");
}

#[test]
fn what_travellers_ask_takes_the_fast_path() {
    let table = table();
    for (name, qtype) in [
        ("api.meridian.example.", RecordType::A),
        ("Api.Meridian.Example.", RecordType::AAAA),
        ("eu.meridian.example.", RecordType::HTTPS),
        ("us-east.api.meridian.example.", RecordType::A),
        ("api.meridian.example.", RecordType::TXT),
        ("nobody.meridian.example.", RecordType::A),
        ("example.org.", RecordType::A),
        ("meridian.example.", RecordType::SOA),
    ] {
        for message in [
            question(name, qtype),
            from_subnet(question(name, qtype), "53.128.0.0/24"),
            from_subnet(question(name, qtype), "2a00::/40"),
        ] {
            let asker = asker("18.141.0.1".parse().unwrap(), Transport::Udp);
            assert!(same(&table, &message.to_vec().unwrap(), &asker), "{message}");
        }
    }
}

#[test]
fn a_name_of_many_labels_and_a_soa_of_deep_names_are_said_alike() {
    let text = include_str!("../../zones/meridian.toml")
        .replace("responsible = \"hostmaster\"", "responsible = \"first.last\"");
    let table = RoutingTable::compile(ground(registry(), Zone::parse(&text).unwrap()), Live::new());
    let deep = |count| format!("{}meridian.example.", "a.".repeat(count));
    let names = (28..100).map(deep).chain(
        ["last", "x.last", "first.last"].map(|name| format!("nobody.{name}.meridian.example.")),
    );
    for name in names {
        let asker = asker("18.141.0.1".parse().unwrap(), Transport::Tcp);
        same(&table, &question(&name, RecordType::A).to_vec().unwrap(), &asker);
    }
}

#[test]
fn an_identifier_that_does_not_fit_is_left_out() {
    let manners = Manners { nsid: Some(vec![b'n'; 200]), cookies: Some(Secret::new([7; 16])) };
    let sources = Sources { manners, ..Sources::new(registry(), vec![Zone::embedded()]) };
    let table = RoutingTable::compile(ground_of(&sources).into(), Live::new());
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(3, Vec::new()));
    let mut root = question(".", RecordType::A);
    root.set_edns(edns);
    let asker = asker("18.141.0.1".parse().unwrap(), Transport::Udp);
    let reply = respond(&table, &root.to_vec().unwrap(), &asker).unwrap();
    assert!(Message::from_vec(&reply.bytes).unwrap().metadata.truncation);
}

#[test]
fn what_is_odd_takes_the_slow_path() {
    let table = table();
    let plain = question("api.meridian.example.", RecordType::A);
    let mut notify = plain.clone();
    notify.metadata.op_code = OpCode::Notify;
    let mut twice = plain.clone();
    twice.add_query(Query::query(Name::root(), RecordType::A));
    let mut chaos = plain.clone();
    chaos.queries[0].set_query_class(DNSClass::CH);
    let packets = [notify, twice, chaos].map(|message| message.to_vec().unwrap());
    let garbage = [plain.to_vec().unwrap(), vec![0]].concat();
    for packet in packets.iter().chain([&garbage]) {
        let asker = asker("18.141.0.1".parse().unwrap(), Transport::Udp);
        assert!(!same(&table, packet, &asker));
        let outcome = respond(&table, packet, &asker).unwrap().outcome;
        assert!(matches!(outcome.kind, Kind::Error | Kind::Refused));
    }
}

#[test]
fn an_unsigned_answer_over_udp_is_never_twice_its_question() {
    for (number, table) in tables().into_iter().enumerate() {
        for name in NAMES {
            for qtype in TYPES {
                for message in spoken(&question(name, qtype)) {
                    let packet = message.to_vec().unwrap();
                    let asker = asker("18.141.0.1".parse().unwrap(), Transport::Udp);
                    let Some(reply) = respond(&table, &packet, &asker) else { continue };
                    let signed = Message::from_vec(&reply.bytes).unwrap();
                    let mut records = signed.answers.iter().chain(&signed.authorities);
                    if records.any(|record| record.record_type() == RecordType::RRSIG) {
                        assert!(number >= 4, "only a signed zone has signatures");
                        continue;
                    }
                    // With the IP and UDP headers that both cost.
                    let (there, back) = (packet.len() + 28, reply.bytes.len() + 28);
                    assert!(back < 2 * there, "{there} bytes bring {back}: {signed}");
                }
            }
        }
    }
}
