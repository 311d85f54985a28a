//! Writes the seeds of the fuzz targets: `cargo run --example seeds` in this folder.
//!
//! Each is a question or a file of its own kind, so that chance has something to begin with. The
//! same every time: what depends on chance, such as keys, is in none of them.

use std::fs;
use std::path::{Path, PathBuf};

use meridian_geo_routing_fuzz::input::Choice;
use meridian_geo_routing_fuzz::worlds::{ORIGIN, RICH, RICH_ORIGIN, wire};

const EMBEDDED: &str = include_str!("../../zones/meridian.toml");

/// A question: what it is called, the table, the name, its zone, the type.
type Question = (&'static str, u8, &'static str, &'static str, u16);

/// Each to another table.
const QUESTIONS: [Question; 26] = [
    ("address", 0, "api", ORIGIN, 1),
    ("address-v6", 0, "api", ORIGIN, 28),
    ("fenced", 2, "eu", ORIGIN, 1),
    ("fenced-all-sick", 3, "eu", ORIGIN, 28),
    ("shared", 4, "api", ORIGIN, 1),
    ("shared-signed", 5, "eu", ORIGIN, 65),
    ("binding", 0, "api", ORIGIN, 65),
    ("absent-somewhere", 6, "api", ORIGIN, 28),
    ("apex", 0, "", ORIGIN, 6),
    ("servers", 7, "", ORIGIN, 2),
    ("keys", 1, "", ORIGIN, 48),
    ("text", 0, "", ORIGIN, 16),
    ("any", 1, "api", ORIGIN, 255),
    ("signatures", 1, "api", ORIGIN, 46),
    ("proof", 1, "www", ORIGIN, 47),
    ("alias", 0, "www", ORIGIN, 1),
    ("fixed", 0, "eu-west.api", ORIGIN, 1),
    ("no-data", 1, "api", ORIGIN, 33),
    ("no-name", 1, "nobody", ORIGIN, 1),
    ("refused", 0, "www.elsewhere.example", "", 1),
    ("transfer", 0, "", ORIGIN, 252),
    ("rich-alias", 7, "c1", RICH_ORIGIN, 1),
    ("rich-large", 7, "large", RICH_ORIGIN, 16),
    ("rich-mail", 8, "", RICH_ORIGIN, 15),
    ("rich-nothing", 8, "er.host", RICH_ORIGIN, 1),
    ("rich-below", 7, "nobody.last", RICH_ORIGIN, 1),
];

/// Options: what they are called, and their bytes.
const OPTIONS: [(&str, &[u8]); 9] = [
    ("none", &[]),
    ("subnet-v4", &[0, 8, 0, 7, 0, 1, 24, 0, 53, 128, 0]),
    ("subnet-v6", &[0, 8, 0, 11, 0, 2, 56, 0, 0x2a, 0, 0x14, 0x50, 0x40, 0, 0]),
    ("subnet-nobody", &[0, 8, 0, 4, 0, 1, 0, 0]),
    ("subnet-no-family", &[0, 8, 0, 4, 0, 0, 0, 0]),
    ("cookie", &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("nsid", &[0, 3, 0, 0]),
    ("keepalive", &[0, 11, 0, 0]),
    ("padding", &[0, 12, 0, 4, 0, 0, 0, 0]),
];

/// Networks, right and wrong.
const SUBNETS: [&str; 8] = [
    "203.0.113.7",
    "203.0.113.0/24",
    "0.0.0.0/0",
    "2001:db8::/56",
    "::ffff:192.0.2.1/128",
    "::/0",
    "203.0.113.7/33",
    "berlin",
];

fn main() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    packets(&seeds.join("packet"));
    zones(&seeds.join("zone"));
    for (number, subnet) in SUBNETS.iter().enumerate() {
        write(seeds.join("subnet"), &format!("subnet-{number}"), subnet.as_bytes());
    }
}

fn write(folder: PathBuf, name: &str, bytes: &[u8]) {
    fs::create_dir_all(&folder).expect("the folder of seeds can be made");
    fs::write(folder.join(name), bytes).expect("a seed can be written");
}

fn packets(folder: &Path) {
    for (name, world, label, origin, qtype) in QUESTIONS {
        let question = question(&format!("{label}.{origin}"), qtype);
        let choice = [world, 0, 0, 0];
        write(folder.into(), name, &packet(choice, &question, None));
    }
    for (at, (name, option)) in (0_u8..).zip(OPTIONS) {
        let question = question(&format!("api.{ORIGIN}"), 1);
        // The last options mean something on the encrypted transports only.
        let choice = [at % 2, at, if at > 6 { 6 } else { 0 }, 0];
        write(folder.into(), &format!("option-{name}"), &packet(choice, &question, Some(option)));
    }
    let (world, asker) = Choice { world: 0, source: 0, transport: 0, time: 0 }.asker();
    let mut option = vec![0, 10, 0, 24];
    option.extend(world.cookie(*b"meridian", &asker));
    let known = packet([0; 4], &question(&format!("api.{ORIGIN}"), 1), Some(&option));
    write(folder.into(), "option-cookie-good", &known);
    for (name, length) in [("longest", 255), ("too-long", 256)] {
        let question = long(length);
        write(folder.into(), name, &packet([0; 4], &question, None));
    }
    let long_nsid = packet([9, 0, 0, 0], &question(".", 1), Some(&[0, 3, 0, 0]));
    write(folder.into(), "long-nsid", &long_nsid);
    let many = question(&format!("{}{ORIGIN}", "a.".repeat(64)), 1);
    write(folder.into(), "many-labels", &packet([0; 4], &many, None));
    write(folder.into(), "only-a-cookie", &packet([0; 4], &[], Some(&option)));
}

fn question(name: &str, qtype: u16) -> Vec<u8> {
    let mut question = wire(name);
    question.extend(qtype.to_be_bytes());
    question.extend([0, 1]);
    question
}

/// A question for a name of so many bytes.
fn long(length: usize) -> Vec<u8> {
    let end = question(&format!("api.{ORIGIN}"), 1);
    let mut missing = length - (end.len() - 4);
    let mut name = Vec::new();
    while missing > 0 {
        let label = missing.min(64);
        name.push(u8::try_from(label - 1).expect("a label is short"));
        name.extend(vec![b'a'; label - 1]);
        missing -= label;
    }
    name.extend(end);
    name
}

/// A packet behind what chooses who asks whom; with an OPT record that asks for signatures if there
/// are options.
fn packet(choice: [u8; 4], question: &[u8], options: Option<&[u8]>) -> Vec<u8> {
    let questions = u8::from(!question.is_empty());
    let mut packet = choice.to_vec();
    packet.extend([0x4d, 0x65, 1, 0, 0, questions, 0, 0, 0, 0, 0, u8::from(options.is_some())]);
    packet.extend(question);
    if let Some(options) = options {
        packet.extend([0, 0, 41, 4, 208, 0, 0, 0x80, 0]);
        packet.extend(u16::try_from(options.len()).expect("options are short").to_be_bytes());
        packet.extend(options);
    }
    packet
}

fn zones(folder: &Path) {
    let sign = |text: &str| text.replacen("ttl_geo", "signed = true\nttl_geo", 1);
    let small = |text: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.flat_map(|line| [line, "\n"]).collect()
    };
    let (embedded, rich) = (small(EMBEDDED), small(RICH));
    write(folder.into(), "embedded", embedded.as_bytes());
    write(folder.into(), "embedded-signed", sign(&embedded).as_bytes());
    write(folder.into(), "rich", rich.as_bytes());
    write(folder.into(), "rich-signed", sign(&rich).as_bytes());
    // The head of the rich zone with one of its sets each.
    let (head, _) = rich.split_once("[hosts").expect("the rich zone has hosts");
    for set in rich.split("[[records]]").skip(1) {
        let field = |name: &str| {
            let value = set.split_once(&format!("{name} = \"")).and_then(|it| it.1.split_once('"'));
            value.map_or("", |it| it.0).to_lowercase()
        };
        let name: String = field("name").chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("{}-{}", field("type"), &name[..name.len().min(8)]);
        write(
            folder.into(),
            name.trim_end_matches('-'),
            format!("{head}[[records]]{set}").as_bytes(),
        );
    }
}
