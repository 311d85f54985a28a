//! Whether our server, the library, gdnsd and Knot give the same answers to the same questions, and
//! whether ours claims more of the address space for one than gdnsd does.
//!
//! gdnsd finds the nearest region by coordinates and Knot is told each country's, so a region that
//! is wrong by distance, a country that is read wrong, and a scope that is too wide all show.

use std::collections::BTreeMap;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, RecordType};
use meridian_geo_routing::{Client, Subnet};
use serde_json::json;

use crate::asker::Asker;
use crate::peers;
use crate::process::Process;
use crate::questions::Questions;
use crate::world::{GEO, World};

/// Questions on their way at any time: few, so that none is lost on a slow machine.
const WINDOW: usize = 32;

/// How often a question is asked before its silence counts as a difference.
const TRIES_MAX: usize = 3;

/// Differences of a kind that are shown.
const SHOWN_MAX: usize = 10;

/// What was answered, as far as it must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    rcode: ResponseCode,
    authoritative: bool,
    /// Time to live and address of each record.
    records: Vec<(u32, RData)>,
}

/// An answer and the scope it claims.
#[derive(Clone)]
struct Heard {
    answer: Answer,
    scope: Option<u8>,
}

/// Asks them all and prints what differs; true if nothing does. The last line is JSON.
pub(crate) fn hold(world: &World) -> bool {
    let (questions, networks) = Questions::thorough(GEO, &world.addresses);
    let hear = |server: Process| hear(&server, &questions);
    let ours = hear(peers::ours(world, "ours", &[]));
    let gdnsd = hear(peers::gdnsd(world, &world.database));
    let knot = hear(peers::knot(world));
    let library: Vec<Option<Heard>> =
        networks.iter().enumerate().map(|(nth, it)| Some(ask_library(world, nth, *it))).collect();
    let differences = |name: &str, theirs: &[Option<Heard>]| {
        let same = |nth: usize| answer(&ours[nth]) == answer(&theirs[nth]) && ours[nth].is_some();
        let nths = (0..networks.len()).filter(|nth| !same(*nth)).collect();
        show(&format!("differ from {name}"), &networks, &ours, theirs, nths)
    };
    let differences_gdnsd = differences("gdnsd", &gdnsd);
    let differences_knot = differences("knot", &knot);
    let differences_library = differences("the library", &library);
    let wider = |theirs: &[Option<Heard>]| {
        let scopes = |nth: usize| Some((ours[nth].as_ref()?.scope?, theirs[nth].as_ref()?.scope?));
        let wider = |nth: &usize| scopes(*nth).is_none_or(|(ours, theirs)| ours < theirs);
        (0..networks.len()).filter(wider).collect::<Vec<usize>>()
    };
    let wider_gdnsd =
        show("have a wider scope than gdnsd's", &networks, &ours, &gdnsd, wider(&gdnsd));
    let narrower = |nth: &usize| scope(&ours[*nth]) > scope(&gdnsd[*nth]);
    let narrower = (0..networks.len()).filter(narrower).count();
    let countries = world.addresses.one_of_each().len();
    println!(
        "{narrower} of our answers have a narrower scope than gdnsd's, which only costs cache"
    );
    println!("{}", by_region(&ours));
    println!(
        "{}",
        json!({
            "queries": networks.len(),
            "differences_gdnsd": differences_gdnsd,
            "differences_knot": differences_knot,
            "differences_library": differences_library,
            "scope_wider_than_gdnsd": wider_gdnsd,
            "countries": countries,
        })
    );
    [differences_gdnsd, differences_knot, differences_library, wider_gdnsd] == [0; 4]
}

/// Asks every question until it is answered, and ends the server.
fn hear(server: &Process, questions: &Questions) -> Vec<Option<Heard>> {
    let mut heard = vec![None; questions.len()];
    let mut asker = Asker::new(server.address);
    for _ in 0..TRIES_MAX {
        let silent: Vec<usize> = (0..heard.len()).filter(|nth| heard[*nth].is_none()).collect();
        let mut left = silent.into_iter().peekable();
        while left.peek().is_some() || asker.in_flight() > 0 {
            asker.send(questions, WINDOW.saturating_sub(asker.in_flight()), || left.next());
            asker.receive(|nth, answer, _| heard[nth] = parse(answer));
            asker.give_up(|_| {});
        }
    }
    eprintln!("{} was asked {} questions", server.name, questions.len());
    heard
}

fn parse(answer: &[u8]) -> Option<Heard> {
    let message = Message::from_vec(answer).ok()?;
    let mut records: Vec<(u32, RData)> =
        message.answers.into_iter().map(|record| (record.ttl, record.data)).collect();
    records.sort_by_key(|(ttl, data)| (*ttl, data.to_string()));
    let subnet = message.edns.as_ref().and_then(|edns| match edns.option(EdnsCode::Subnet) {
        Some(EdnsOption::Subnet(subnet)) => Some(subnet.scope_prefix()),
        _ => None,
    });
    let rcode = message.metadata.response_code;
    let answer = Answer { rcode, authoritative: message.metadata.authoritative, records };
    Some(Heard { answer, scope: subnet })
}

/// What the library says without any packet or socket.
fn ask_library(world: &World, nth: usize, network: Subnet) -> Heard {
    let name = Name::from_ascii(format!("{GEO}.")).unwrap();
    let wanted = RecordType::from(Questions::wanted(nth) as u16);
    let said = world.table.answer(&name, wanted, Client::Address(network.address()), false);
    let records = said.answers.iter().map(|record| (record.ttl, record.data.clone())).collect();
    let answer = Answer { rcode: said.rcode, authoritative: said.authoritative(), records };
    Heard { answer, scope: Some(said.scope) }
}

fn answer(heard: &Option<Heard>) -> Option<&Answer> {
    heard.as_ref().map(|it| &it.answer)
}

fn scope(heard: &Option<Heard>) -> Option<u8> {
    heard.as_ref().and_then(|it| it.scope)
}

/// Prints how many there are and some of them; returns how many.
fn show(
    what: &str,
    networks: &[Subnet],
    ours: &[Option<Heard>],
    theirs: &[Option<Heard>],
    nths: Vec<usize>,
) -> usize {
    println!("{} of {} answers {what}", nths.len(), networks.len());
    let describe = |heard: &Option<Heard>| match heard {
        None => "nothing".to_owned(),
        Some(Heard { answer, scope }) => {
            let records = answer.records.iter().map(|(ttl, data)| format!("{data} for {ttl} s"));
            let records = records.collect::<Vec<_>>().join(", ");
            let scope = scope.map_or("no scope".to_owned(), |scope| format!("scope /{scope}"));
            format!("{} {records} {scope}", answer.rcode)
        }
    };
    for nth in nths.iter().take(SHOWN_MAX) {
        let (ours, theirs) = (describe(&ours[*nth]), describe(&theirs[*nth]));
        println!("  {}: ours {ours}; theirs {theirs}", networks[*nth]);
    }
    nths.len()
}

/// How the answers spread, so that a world in which all go to one region is seen to prove nothing.
fn by_region(ours: &[Option<Heard>]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for (_, data) in ours.iter().flatten().flat_map(|heard| &heard.answer.records) {
        *counts.entry(data.to_string()).or_default() += 1;
    }
    let counts = counts.iter().map(|(address, count)| format!("{address} {count} times"));
    counts.collect::<Vec<_>>().join(", ")
}
