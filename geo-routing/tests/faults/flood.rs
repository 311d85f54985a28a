//! A flood from a forged network, and what is written of those who ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};
use meridian_geo_routing::ask;

use crate::clock;
use crate::world::World;

/// Questions of the legitimate client.
const QUESTIONS: usize = 1500;

/// Larger answers than this are not allowed over UDP.
const ANSWER_MAX: usize = 1232;

fn packet(name: &str, qtype: RecordType, payload: u16) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

/// Floods from one /24 with ANY, names that are not there, nonsense and large payloads, until it is
/// told to stop; returns how many questions it sent and the largest answer it got.
fn flood(server: SocketAddr, stop: &AtomicBool) -> (usize, usize) {
    let sockets: Vec<UdpSocket> = (1..=8)
        .map(|host| {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 44, 44, host), 0)).unwrap();
            socket.connect(server).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let (mut sent, mut largest) = (0, 0);
    let mut room = [0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        for (nth, socket) in sockets.iter().enumerate() {
            let random = format!("x{sent}.meridian.example.");
            let bytes = match nth % 4 {
                0 => packet("api.meridian.example.", RecordType::ANY, 4096),
                1 => packet(&random, RecordType::A, 4096),
                2 => vec![0x55; 40],
                _ => packet("meridian.example.", RecordType::TXT, 4096),
            };
            sent += usize::from(socket.send(&bytes).is_ok());
            while let Ok(length) = socket.recv(&mut room) {
                largest = largest.max(length);
            }
        }
    }
    (sent, largest)
}

/// Fault row 44. The limit on time is far above what is printed, since machines differ.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_a_forged_network_leaves_the_others_their_answers() {
    let world = World::start_with(&["--rrl-exempt", "203.0.113.0/24"]).await;
    let dns = world.dns;
    let stop = Arc::new(AtomicBool::new(false));
    let flooder = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || flood(dns, &stop))
    };
    let answered = AtomicUsize::new(0);
    let mut took = Vec::new();
    let subnet = "53.128.0.0/24".parse().unwrap();
    for _ in 0..QUESTIONS {
        let since = clock::instant();
        if ask(dns, "api.meridian.example.", subnet).await.is_ok() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
        took.push(clock::instant() - since);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (sent, largest) = flooder.join().unwrap();
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    let drops = world.metric("geo_routing_rate_limited_total{action=\"drop\"}").await;
    let slips = world.metric("geo_routing_rate_limited_total{action=\"slip\"}").await;
    println!("{sent} flooded, {drops} dropped, {slips} slipped; p99 of the others {p99:?}");
    assert_eq!(answered.load(Ordering::Relaxed), QUESTIONS, "nobody else lost an answer");
    assert!(drops > 100 && slips > 100, "{drops} drops, {slips} slips");
    assert!(largest <= ANSWER_MAX, "{largest} bytes");
    assert!(p99 < Duration::from_millis(100), "{p99:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_whole_address_of_an_asker_is_written_anywhere() {
    let world = World::start_with(&["--log-every", "1"]).await;
    let subnet = "53.77.88.99/32".parse().unwrap();
    let source: IpAddr = "127.77.88.99".parse().unwrap();
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.connect(world.dns).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for bytes in [packet("api.meridian.example.", RecordType::A, 1232), vec![1; 30]] {
        socket.send(&bytes).unwrap();
        socket.recv(&mut [0; 1500]).unwrap();
    }
    for host in ["api.meridian.example.", "nobody.meridian.example."] {
        let _ = ask(world.dns, host, subnet).await;
    }
    let log = world.log();
    assert!(log.contains("127.77.88.0/24"), "the sampled log is there:\n{log}");
    let metrics = world.door("GET", "/metrics", "").await;
    let status = world.door("GET", "/v1/status", "").await;
    for text in [&log, &metrics, &status] {
        assert!(!text.contains("88.99"), "{text}");
    }
}
