//! The rules of DNS itself: codes, sections, sizes, transports, and packets that mean no good.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use meridian_geo_routing::respond;
use meridian_geo_routing::{
    Condition, RoutingTable, Server, ServerConfig, Sources, Transport, Zone,
};
use proptest::prelude::*;

use crate::asker::*;

const API: &str = "api.meridian.example.";

fn edns(payload: u16) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    edns
}

fn assert_negative(answer: &Message, rcode: ResponseCode) {
    assert_eq!(answer.metadata.response_code, rcode);
    assert!(answer.answers.is_empty());
    assert_eq!(answer.authorities.len(), 1, "{answer}");
    let RData::SOA(soa) = &answer.authorities[0].data else { panic!("not an SOA: {answer}") };
    assert_eq!((answer.authorities[0].ttl, soa.minimum), (60, 60));
    assert!(answer.metadata.authoritative);
}

#[tokio::test]
async fn a_geo_answer_is_authoritative_short_lived_and_not_recursive() {
    let server = start().await;
    let mut asked = question(API, RecordType::A);
    asked.metadata.recursion_desired = true;
    let answer = ask(&server, &asked).await;
    let header = answer.metadata;
    assert_eq!((header.id, header.response_code), (asked.metadata.id, ResponseCode::NoError));
    assert!(header.authoritative && header.recursion_desired && !header.recursion_available);
    assert!(!header.authentic_data && !header.truncation);
    assert_eq!(answer.answers[0].ttl, 30);
    assert!(answer.edns.is_none(), "who does not speak EDNS is not answered in it");
    assert_eq!(answered(&answer), "eu-central", "the loopback is nowhere: the default region");
    server.stop().await;
}

#[tokio::test]
async fn the_apex_has_soa_and_ns_with_glue() {
    let server = start().await;
    let soa = ask(&server, &question("meridian.example.", RecordType::SOA)).await;
    let RData::SOA(data) = &soa.answers[0].data else { panic!("not an SOA") };
    assert_eq!(data.mname.to_ascii(), "ns1.meridian.example.");
    let asked = question("meridian.example.", RecordType::NS);
    let ns = ask_tcp(&server, &asked).await;
    assert_eq!((ns.answers.len(), ns.additionals.len()), (2, 4));
    let short = ask(&server, &asked).await;
    assert_eq!((short.answers.len(), short.additionals.len()), (2, 0), "a stranger gets no glue");
    assert!(!short.metadata.truncation);
    assert_eq!(ns.answers[0].ttl, 3600);
    let glue = ask(&server, &question("ns1.meridian.example.", RecordType::AAAA)).await;
    assert_eq!(glue.answers[0].data, RData::AAAA("2001:db8:e0c1::53".parse().unwrap()));
}

#[tokio::test]
async fn what_does_not_exist_is_nxdomain_and_what_is_empty_is_nodata() {
    let server = start().await;
    for name in ["nobody.meridian.example.", "mars.api.meridian.example."] {
        assert_negative(
            &ask(&server, &question(name, RecordType::A)).await,
            ResponseCode::NXDomain,
        );
        assert_negative(
            &ask(&server, &question(name, RecordType::ANY)).await,
            ResponseCode::NXDomain,
        );
    }
    for (name, qtype) in [
        (API, RecordType::TXT),
        ("meridian.example.", RecordType::A),
        ("ns1.meridian.example.", RecordType::MX),
        ("us-east.api.meridian.example.", RecordType::HTTPS),
    ] {
        assert_negative(&ask(&server, &question(name, qtype)).await, ResponseCode::NoError);
    }
}

#[tokio::test]
async fn a_name_above_another_exists_without_records() {
    let text = include_str!("../../zones/meridian.toml").replace("[hosts.api]", "[hosts.geo]");
    let server = start_with(registry(), Zone::parse(&text).unwrap()).await;
    assert_negative(&ask(&server, &question(API, RecordType::A)).await, ResponseCode::NoError);
}

#[tokio::test]
async fn a_region_without_ipv6_has_no_aaaa() {
    let registry = registry().with_endpoints(|region| {
        if region.name == "eu-central" {
            region.endpoints.ipv6.clear();
        }
    });
    let server = start_with(registry, Zone::embedded()).await;
    let asked = from_subnet(question(API, RecordType::AAAA), "53.128.0.0/24");
    let answer = ask(&server, &asked).await;
    assert_negative(&answer, ResponseCode::NoError);
    assert_ne!(echoed(&answer).unwrap().1, 0, "others have AAAA; this is for Germany only");
    let singapore = from_subnet(question(API, RecordType::AAAA), "18.141.0.0/24");
    assert_eq!(answered(&ask(&server, &singapore).await), "ap-southeast");
}

#[tokio::test]
async fn any_is_answered_with_one_small_record() {
    let server = start().await;
    for name in ["meridian.example.", API, "eu-west.api.meridian.example."] {
        let answer = ask(&server, &question(name, RecordType::ANY)).await;
        let [record] = answer.answers.as_slice() else { panic!("one record: {answer}") };
        let RData::HINFO(hinfo) = &record.data else { panic!("not HINFO: {record}") };
        assert_eq!(&*hinfo.cpu, b"RFC8482");
    }
}

#[tokio::test]
async fn other_zones_classes_and_transfers_are_refused() {
    let server = start().await;
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut chaos_here = question(API, RecordType::A);
    chaos_here.queries[0].set_query_class(DNSClass::CH);
    for asked in [
        question("example.org.", RecordType::A),
        question(".", RecordType::NS),
        question("xmeridian.example.", RecordType::A),
        question("meridian.example.", RecordType::AXFR),
        chaos,
        chaos_here,
    ] {
        let answer = ask(&server, &asked).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "{asked}");
        assert!(!answer.metadata.authoritative);
        assert!(answer.answers.is_empty() && answer.authorities.is_empty());
    }
}

#[tokio::test]
async fn other_operations_are_not_implemented() {
    let server = start().await;
    for opcode in [OpCode::Status, OpCode::Notify, OpCode::Update, OpCode::Unknown(15)] {
        let mut asked = question(API, RecordType::A);
        asked.metadata.op_code = opcode;
        asked.set_edns(edns(1232));
        let answer = ask(&server, &asked).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NotImp);
        assert_eq!(answer.metadata.op_code, opcode);
        assert!(answer.edns.is_some());
    }
}

#[tokio::test]
async fn a_later_edns_is_told_that_ours_is_version_0() {
    let server = start().await;
    let mut asked = question(API, RecordType::A);
    let mut later = edns(1232);
    later.set_version(1);
    asked.set_edns(later);
    let answer = ask(&server, &asked).await;
    let opt = answer.edns.as_ref().unwrap();
    assert_eq!((opt.rcode_high(), answer.metadata.response_code.low(), opt.version()), (1, 0, 0));
    assert!(answer.answers.is_empty());
}

#[tokio::test]
async fn a_packet_that_breaks_the_format_is_told_so() {
    let server = start().await;
    let mut two = question(API, RecordType::A);
    two.add_query(Query::query(Name::from_ascii(API).unwrap(), RecordType::AAAA));
    let none = Message::query();
    for asked in [two, none] {
        let answer = ask(&server, &asked).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    }
    let mut cut = question(API, RecordType::A).to_vec().unwrap();
    cut.truncate(20);
    let answer = Message::from_vec(&ask_raw(&server, &cut).await).unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);

    let mut packet = question(API, RecordType::A).to_vec().unwrap();
    packet[11] = 2;
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0].repeat(2));
    let answer = Message::from_vec(&ask_raw(&server, &packet).await).unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr, "two OPT records");
    assert!(answer.edns.is_some());
}

#[tokio::test]
async fn tcp_says_what_udp_says() {
    let server = start().await;
    for (name, qtype) in [
        (API, RecordType::A),
        (API, RecordType::AAAA),
        ("eu.meridian.example.", RecordType::A),
        ("meridian.example.", RecordType::NS),
        ("nobody.meridian.example.", RecordType::A),
        ("example.org.", RecordType::A),
    ] {
        for subnet in ["53.128.0.0/24", "18.141.0.0/24", "2600::/32"] {
            let asked = from_subnet(question(name, qtype), subnet);
            let mut whole = ask_tcp(&server, &asked).await;
            // Glue is for those who are known to be where they say.
            whole.additionals.clear();
            assert_eq!(ask(&server, &asked).await, whole);
        }
    }
}

#[tokio::test]
async fn the_case_of_the_question_comes_back() {
    let server = start().await;
    let name = "aPi.MeRiDiaN.exAMple.";
    let asked = question(name, RecordType::A).to_vec().unwrap();
    let answer = ask_raw(&server, &asked).await;
    assert_eq!(answer[12..asked.len()], asked[12..], "the question is repeated to the bit");
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.answers[0].name.to_ascii(), name);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_cut_and_tcp_has_it_whole() {
    let registry = registry().with_endpoints(|region| {
        let low = 1..=100;
        region.endpoints.ipv4 = low.map(|last| Ipv4Addr::new(192, 0, 2, last)).collect();
    });
    let server = start_with(registry, Zone::embedded()).await;
    let mut asked = from_subnet(question(API, RecordType::A), "53.128.0.0/24");
    asked.edns.as_mut().unwrap().set_max_payload(4096);
    let raw = ask_raw(&server, &asked.to_vec().unwrap()).await;
    let cut = Message::from_vec(&raw).unwrap();
    assert!(raw.len() <= 1232 && cut.metadata.truncation && cut.answers.is_empty());
    assert!(echoed(&cut).is_some(), "the client subnet survives the cut");
    assert_eq!(cut.edns.unwrap().max_payload(), 1232);
    let whole = ask_tcp(&server, &asked).await;
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 100);
    assert_eq!(server.counts().truncated, 1);
}

#[tokio::test]
async fn answers_and_garbage_are_met_with_silence_and_survived() {
    let server = start().await;
    let mut reflected = question(API, RecordType::A);
    reflected.metadata.message_type = MessageType::Response;
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = server.local_addr();
    socket.send_to(&reflected.to_vec().unwrap(), to).await.unwrap();
    for garbage in [&[][..], &[0], &[0xff; 11], &[0xff; 600]] {
        socket.send_to(garbage, to).await.unwrap();
    }
    // One socket task answers in order: once this is answered, the others were dealt with.
    let answer = ask(&server, &question(API, RecordType::A)).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert_eq!(server.counts().silent, 5, "0xff.. has the response bit set, too");
    let mut byte = [0];
    assert!(socket.try_recv(&mut byte).is_err(), "nothing came back");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..600)) {
        thread_local! {
            static TABLE: RoutingTable = table();
        }
        TABLE.with(|table| {
            let asker = asker(Ipv4Addr::LOCALHOST.into(), Transport::Udp);
            for start in [&[][..], &question(API, RecordType::A).to_vec().unwrap()] {
                let mut bytes = start.to_vec();
                bytes.extend(&packet);
                if let (Some(count), true) = (bytes.get_mut(11), !start.is_empty()) {
                    *count = 1;
                }
                if let Some(reply) = respond(table, &bytes, &asker) {
                    assert!(reply.bytes.len() <= 1232);
                }
            }
        });
    }
}

#[tokio::test]
async fn both_wildcards_of_one_port_answer_by_the_address_they_were_asked_at() {
    let sources = || Sources::new(registry(), vec![Zone::embedded()]);
    let first = start().await;
    let port = first.local_addr().port();
    first.stop().await;
    let listen = ["0.0.0.0", "[::]"].map(|ip| format!("{ip}:{port}").parse().unwrap());
    let config = ServerConfig { listen: listen.into(), ..ServerConfig::new(listen[0], sources()) };
    let _server = Server::start(config).await.unwrap();
    for (from, to) in [("127.0.0.1:0", "127.0.0.77"), ("[::1]:0", "::1")] {
        let socket = tokio::net::UdpSocket::bind(from).await.unwrap();
        // A connected socket takes answers from there only.
        socket.connect((to.parse::<std::net::IpAddr>().unwrap(), port)).await.unwrap();
        let asked = question(API, RecordType::A);
        socket.send(&asked.to_vec().unwrap()).await.unwrap();
        let mut bytes = [0; 600];
        let length =
            tokio::time::timeout(std::time::Duration::from_secs(10), socket.recv(&mut bytes));
        let length = length.await.unwrap().unwrap();
        assert_eq!(answered(&Message::from_vec(&bytes[..length]).unwrap()), "eu-central");
    }
}

#[tokio::test]
async fn a_port_in_use_is_said_in_plain_words() {
    let server = start().await;
    let listen = server.local_addr();
    let config = |listen: SocketAddr| {
        ServerConfig::new(listen, Sources::new(registry(), vec![Zone::embedded()]))
    };
    let Err(error) = Server::start(config(listen)).await else { panic!("two on one port") };
    let text = error.to_string();
    assert!(text.contains(&listen.to_string()) && text.contains("another server"), "{text}");
    server.stop().await;
    Server::start(config(listen)).await.expect("a stopped server leaves its port").stop().await;
}

#[tokio::test]
async fn a_region_has_a_fixed_name_and_answers_are_counted() {
    let server = start().await;
    server.set_condition(region("us-east"), Condition::Sick);
    let name = "us-east.api.meridian.example.";
    let answer = ask(&server, &from_subnet(question(name, RecordType::A), "53.128.0.0/24")).await;
    assert_eq!(answered(&answer), "us-east", "its own addresses, wherever one is, however it is");
    assert_eq!((answer.answers[0].ttl, echoed(&answer).unwrap().1), (3600, 0));
    ask(&server, &question("nobody.meridian.example.", RecordType::A)).await;
    let counts = server.counts();
    assert_eq!(counts.regions["us-east"], 1);
    assert_eq!((counts.rcodes[&0], counts.rcodes[&3]), (1, 1));
}
