//! EDNS client subnet (RFC 7871): what is refused, what is repeated, and how far an answer holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use meridian_geo_routing::{Client, RoutingTable, Subnet};
use proptest::prelude::*;

use crate::asker::*;

const API: &str = "api.meridian.example.";

#[tokio::test]
async fn a_faulty_option_is_refused_in_edns() {
    let server = start().await;
    let cases: [(&str, &[u8]); 15] = [
        ("scope in a query", &[0, 1, 24, 24, 53, 128, 0]),
        ("bits beyond the prefix", &[0, 1, 20, 0, 53, 128, 1]),
        ("a bit beyond an odd prefix", &[0, 1, 23, 0, 53, 128, 1]),
        ("v4 address too long", &[0, 1, 24, 0, 53, 128, 0, 0]),
        ("v4 address too short", &[0, 1, 24, 0, 53, 128]),
        ("v4 source above 32", &[0, 1, 33, 0, 53, 128, 0, 0, 0]),
        ("v6 bits beyond the prefix", &[0, 2, 20, 0, 0x26, 0, 0x0f]),
        ("v6 address too long", &[0, 2, 16, 0, 0x26, 0, 0]),
        ("v6 address too short", &[0, 2, 32, 0, 0x26, 0]),
        (
            "v6 source above 128",
            &[0, 2, 129, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0],
        ),
        ("family 3", &[0, 3, 8, 0, 1]),
        ("family 0 with bits", &[0, 0, 8, 0, 1]),
        ("opt-out with an address", &[0, 1, 0, 0, 1]),
        ("an option cut short", &[0, 1, 24]),
        ("an empty option", &[]),
    ];
    for (what, option) in cases {
        let answer = ask(&server, &with_raw_subnet(question(API, RecordType::A), option)).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr, "{what}");
        assert!(answer.edns.is_some(), "{what}: the refusal speaks EDNS");
        assert!(answer.answers.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn two_subnets_in_one_question_are_refused() {
    let server = start().await;
    let mut asked = from_subnet(question(API, RecordType::A), "53.128.0.0/24");
    let options = asked.edns.as_mut().unwrap().options_mut();
    let again = options.as_ref()[0].1.clone();
    options.insert(again);
    let answer = ask(&server, &asked).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
}

#[tokio::test]
async fn a_good_option_is_repeated_with_the_true_scope() {
    let server = start().await;
    for subnet in ["53.128.0.0/24", "18.141.0.0/20", "53.128.0.1/32", "2600::/32", "53.128.0.0/15"]
    {
        let asked = from_subnet(question(API, RecordType::A), subnet);
        let answer = ask(&server, &asked).await;
        let (source, scope, _) = echoed(&answer).unwrap();
        assert_eq!(source, subnet.parse::<Subnet>().unwrap().prefix());
        let told = server.explain("api", subnet.parse().unwrap()).unwrap();
        assert_eq!((scope, answered(&answer)), (told.scope, told.chosen));
        assert!(scope > 0, "Germany and Singapore are not told the same");
    }
}

#[tokio::test]
async fn who_opts_out_gets_the_default_region_for_everybody() {
    let server = start().await;
    for option in [[0, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]] {
        let asked = with_raw_subnet(question(API, RecordType::A), &option);
        let raw = ask_raw(&server, &asked.to_vec().unwrap()).await;
        assert_eq!(raw[3] & 0x0f, 0, "NOERROR");
        assert_eq!(&raw[raw.len() - 8..], [&[0, 8, 0, 4][..], &option].concat(), "scope 0");
        if option[1] != 0 {
            let answer = hickory_proto::op::Message::from_vec(&raw).unwrap();
            assert_eq!(answered(&answer), registry().default().name);
        }
    }
}

#[tokio::test]
async fn what_is_the_same_for_everybody_has_scope_0() {
    let server = start().await;
    for (name, qtype, rcode) in [
        ("meridian.example.", RecordType::SOA, ResponseCode::NoError),
        ("ns1.meridian.example.", RecordType::A, ResponseCode::NoError),
        (API, RecordType::TXT, ResponseCode::NoError),
        (API, RecordType::ANY, ResponseCode::NoError),
        ("nobody.meridian.example.", RecordType::A, ResponseCode::NXDomain),
        ("example.org.", RecordType::A, ResponseCode::Refused),
    ] {
        let answer = ask(&server, &from_subnet(question(name, qtype), "53.128.0.0/24")).await;
        assert_eq!(answer.metadata.response_code, rcode, "{name}");
        assert_eq!(echoed(&answer).unwrap(), (24, 0, vec![0, 1, 24, 0, 53, 128, 0]), "{name}");
    }
}

#[tokio::test]
async fn without_a_subnet_there_is_none_in_the_answer() {
    let server = start().await;
    let mut asked = question(API, RecordType::A);
    asked.set_edns(hickory_proto::op::Edns::new());
    let answer = ask(&server, &asked).await;
    assert!(answer.edns.is_some() && echoed(&answer).is_none());
}

#[tokio::test]
async fn the_subnet_wins_over_the_sender() {
    let table = table();
    let packet = |subnet: Option<&str>| {
        let plain = question(API, RecordType::A);
        let asked = subnet.map(|subnet| from_subnet(plain.clone(), subnet)).unwrap_or(plain);
        asked.to_vec().unwrap()
    };
    let singapore: IpAddr = "18.141.0.1".parse().unwrap();
    let asker = asker(singapore, meridian_geo_routing::Transport::Udp);
    let ask = |bytes: &[u8]| {
        let reply = meridian_geo_routing::respond(&table, bytes, &asker).unwrap();
        registry().all().nth(reply.outcome.region.unwrap()).unwrap().name.clone()
    };
    assert_eq!(ask(&packet(None)), "ap-southeast");
    assert_eq!(ask(&packet(Some("53.128.0.0/24"))), "eu-central");
    assert_eq!(ask(&packet(Some("0.0.0.0/0"))), "eu-central", "not even the sender is looked at");
}

thread_local! {
    static TABLE: RoutingTable = table();
}

fn decide(address: IpAddr) -> (String, u8) {
    TABLE.with(|table| {
        let name = Name::from_ascii(API).unwrap();
        let answer = table.answer(&name, RecordType::A, Client::Address(address), false);
        let region = registry().all().nth(answer.region.unwrap()).unwrap();
        (region.name.clone(), answer.scope)
    })
}

/// Any address of a network: its own bits, then those of `noise`.
fn inside(network: IpAddr, bits: u8, noise: u128) -> IpAddr {
    match network {
        IpAddr::V4(v4) => {
            let host = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
            let noise = u32::try_from(noise >> 96).unwrap();
            Ipv4Addr::from(u32::from(v4) & !host | noise & host).into()
        }
        IpAddr::V6(v6) => {
            let host = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & !host | noise & host).into()
        }
    }
}

/// Everywhere, but mostly where there is something: global unicast and the carriers of IPv4.
fn address() -> impl Strategy<Value = IpAddr> {
    let v6 = |top: u128, bits: u32| {
        any::<u128>().prop_map(move |low| Ipv6Addr::from(top | low >> bits).into())
    };
    prop_oneof![
        4 => any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
        1 => any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
        3 => v6(0x2000 << 112, 4),
        2 => v6(0x2a00 << 112, 12),
        1 => v6(0x2002 << 112, 16),
        1 => v6(0x0064_ff9b << 96, 96),
        1 => v6(0xffff_0000_0000, 96),
        1 => v6(0, 70),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn everybody_inside_the_scope_gets_the_same_region(
        address in address(),
        noise in proptest::collection::vec(any::<u128>(), 16),
    ) {
        let (region, scope) = decide(address);
        // The far ends of the scope are where a wrong one shows first.
        for noise in noise.into_iter().chain([0, u128::MAX]) {
            let neighbour = inside(address, scope, noise);
            prop_assert_eq!(&decide(neighbour).0, &region, "{} in /{}", neighbour, scope);
        }
    }
}
