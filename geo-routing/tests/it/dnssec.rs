//! Signed answers, verified with somebody else's verifier; other people's validators are in
//! `tests/conformance`.

use hickory_proto::dnssec::Verifier;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use meridian_geo_routing::{Live, RoutingTable, Sources, Transport, Zone, make_key, respond};

use crate::asker::*;

const ZONE: &str = "meridian.example.";

/// The embedded zone, signed with a key of its own.
fn signed(keys: &Scratch) -> RoutingTable {
    let text = include_str!("../../zones/meridian.toml");
    let zone = Zone::parse(&format!("signed = true\n{text}")).unwrap();
    let sources =
        Sources { keys: Some(keys.path().to_owned()), ..Sources::new(registry(), vec![zone]) };
    RoutingTable::compile(ground_of(&sources).into(), Live::new())
}

fn with_keys() -> (Scratch, RoutingTable) {
    let keys = Scratch::new();
    make_key(keys.path(), ZONE).unwrap();
    let table = signed(&keys);
    (keys, table)
}

fn ask(table: &RoutingTable, name: &str, qtype: RecordType, subnet: &str) -> Message {
    let mut message = from_subnet(question(name, qtype), subnet);
    message.edns.get_or_insert_with(Edns::new).set_dnssec_ok(true);
    let asker = asker("192.0.2.1".parse().unwrap(), Transport::Tcp);
    let reply = respond(table, &message.to_vec().unwrap(), &asker).unwrap();
    Message::from_vec(&reply.bytes).unwrap()
}

fn dnskeys(table: &RoutingTable) -> Vec<DNSKEY> {
    let answer = ask(table, ZONE, RecordType::DNSKEY, "0.0.0.0/0");
    let keys = answer.answers.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
        _ => None,
    });
    keys.collect()
}

fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

/// Every set of a section has a signature that verifies.
fn assert_signed(key: &DNSKEY, records: &[Record]) {
    let plain = || records.iter().filter(|record| signature(record).is_none());
    for record in plain() {
        let set = plain().filter(|other| {
            other.name == record.name && other.record_type() == record.record_type()
        });
        let set: Vec<Record> = set.cloned().collect();
        let good = records.iter().filter_map(|it| signature(it).map(|found| (it, found)));
        let mut good = good.filter(|(it, signature)| {
            it.name == record.name && signature.input().type_covered == record.record_type()
        });
        let (_, rrsig) = good.next().unwrap_or_else(|| panic!("{record} is not signed"));
        let name: &Name = &record.name;
        key.verify_rrsig(name, DNSClass::IN, rrsig, set.iter()).expect("the signature holds");
        let (from, to) = (rrsig.input().sig_inception.get(), rrsig.input().sig_expiration.get());
        assert!(from < to && to - from <= 8 * 86_400, "{from} to {to}");
    }
}

fn nsecs(answer: &Message) -> Vec<(&Name, &NSEC)> {
    let records = answer.authorities.iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) => Some((&record.name, nsec)),
        _ => None,
    });
    records.collect()
}

#[test]
fn every_region_and_every_absence_is_signed() {
    let (_keys, table) = with_keys();
    let [key] = &dnskeys(&table)[..] else { panic!("one key") };
    let mut seen = std::collections::BTreeSet::new();
    for subnet in ["53.128.0.0/24", "34.248.0.0/24", "29.128.0.0/24", "18.141.0.0/24"] {
        for qtype in [RecordType::A, RecordType::AAAA, RecordType::HTTPS] {
            let answer = ask(&table, "api.meridian.example.", qtype, subnet);
            assert_eq!(answer.answers.len(), 2);
            assert_signed(key, &answer.answers);
            seen.insert(answer.answers[0].data.to_string());
        }
    }
    assert_eq!(seen.len(), 12, "four regions, three types");
    for (name, qtype) in [
        (ZONE, RecordType::SOA),
        (ZONE, RecordType::NS),
        (ZONE, RecordType::DNSKEY),
        (ZONE, RecordType::ANY),
        ("www.meridian.example.", RecordType::A),
        ("API.meridian.example.", RecordType::TXT),
        ("nobody.meridian.example.", RecordType::A),
        ("a.b.API.meridian.example.", RecordType::A),
    ] {
        let answer = ask(&table, name, qtype, "53.128.0.0/24");
        assert!(!answer.answers.is_empty() || !answer.authorities.is_empty());
        assert_signed(key, &answer.answers);
        assert_signed(key, &answer.authorities);
    }
}

#[test]
fn absence_is_proven_and_the_zone_cannot_be_walked() {
    let (_keys, table) = with_keys();
    let absent = ask(&table, "nobody.meridian.example.", RecordType::A, "0.0.0.0/0");
    assert_eq!(absent.metadata.response_code, ResponseCode::NXDomain);
    let name = Name::from_ascii("nobody.meridian.example.").unwrap();
    let wildcard = Name::from_ascii("*.meridian.example.").unwrap();
    for asked in [&name, &wildcard] {
        let proofs = nsecs(&absent);
        let mut covering =
            proofs.iter().filter(|(owner, nsec)| *owner < asked && asked < nsec.next_domain_name());
        let (owner, nsec) = covering.next().expect("it is covered");
        for there in ["api", "eu", "ns1", "ns2", "www"] {
            let there = Name::from_ascii(format!("{there}.{ZONE}")).unwrap();
            assert!(**owner != there && *nsec.next_domain_name() != there, "no name is told");
        }
    }
    let empty = ask(&table, "api.meridian.example.", RecordType::TXT, "0.0.0.0/0");
    let [(owner, nsec)] = &nsecs(&empty)[..] else { panic!("one proof") };
    assert_eq!(owner.to_ascii(), "api.meridian.example.");
    let types: Vec<RecordType> = nsec.type_bit_maps().collect();
    for there in [RecordType::A, RecordType::AAAA, RecordType::HTTPS, RecordType::RRSIG] {
        assert!(types.contains(&there), "{there} is there");
    }
    assert!(!types.contains(&RecordType::TXT));
}

#[test]
fn who_does_not_ask_for_signatures_gets_none() {
    let (_keys, table) = with_keys();
    let asker = asker("192.0.2.1".parse().unwrap(), Transport::Tcp);
    for name in ["api.meridian.example.", "nobody.meridian.example."] {
        let packet = question(name, RecordType::A).to_vec().unwrap();
        let answer = Message::from_vec(&respond(&table, &packet, &asker).unwrap().bytes).unwrap();
        let records = answer.answers.iter().chain(&answer.authorities);
        assert!(records.into_iter().all(|record| signature(record).is_none()));
    }
}

#[test]
fn a_second_key_is_published_and_does_not_sign() {
    let (keys, _) = with_keys();
    let other = Scratch::new();
    let next = make_key(other.path(), ZONE).unwrap();
    let text = std::fs::read(&next.path).unwrap();
    let path = keys.write("meridian.example.next.pem", text);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let table = signed(&keys);
    let published = dnskeys(&table);
    assert_eq!(published.len(), 2);
    let answer = ask(&table, "api.meridian.example.", RecordType::A, "0.0.0.0/0");
    assert_signed(&published[0], &answer.answers);
    assert!(next.dnskey.ends_with(&published[1].to_string()));
}

#[test]
fn a_key_that_is_missing_open_or_broken_is_refused_with_a_sentence() {
    let refusal = |keys: Option<&Scratch>| {
        let text = include_str!("../../zones/meridian.toml");
        let zone = Zone::parse(&format!("signed = true\n{text}")).unwrap();
        let keys = keys.map(|keys| keys.path().to_owned());
        let sources = Sources { keys, ..Sources::new(registry(), vec![zone]) };
        let ground = meridian_geo_routing::Ground::new(&sources, std::time::SystemTime::UNIX_EPOCH);
        let Err(error) = ground else { panic!("it is refused") };
        error.to_string()
    };
    assert!(refusal(None).contains("--dnssec-keys"));
    let keys = Scratch::new();
    assert!(refusal(Some(&keys)).contains("geo-routing keygen"));
    keys.write("meridian.example.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    assert!(refusal(Some(&keys)).contains("chmod 600"));
    let open = keys.path().join("meridian.example.pem");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(refusal(Some(&keys)).contains("PKCS #8"));
    std::fs::remove_file(&open).unwrap();
    let made = make_key(keys.path(), "Meridian.Example").unwrap();
    assert!(made.ds.starts_with("meridian.example. IN DS "), "{}", made.ds);
    let again = make_key(keys.path(), ZONE).unwrap_err().to_string();
    assert!(again.contains("there already"), "{again}");
}
