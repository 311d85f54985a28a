//! The runbooks, followed as they stand: what a tired person would type is run here, and has to say
//! what the runbook says it does. Blocks of other tools are not run; a story does in their place
//! what counts.

mod desk;

use std::fs;

use clap::Parser;
use clap::error::ErrorKind;
use desk::{Book, Desk, Section, commands, parts, root};
use meridian::config::Cli;
use regex::Regex;
use serde_json::json;

use crate::asker::Person;
use crate::lab::{Lab, Plan, count, sql};
use crate::processes::{Killed, meridian, url_text};

/// What a runbook consists of, in this order.
const SECTIONS: [&str; 7] =
    ["Trigger", "Blast radius", "Pre-checks", "Commands", "Verify", "Roll back", "Time budget"];
/// Those that a story follows to the last command.
const FOLLOWED: [&str; 9] = [
    "01-add-region.md",
    "02-drain-region.md",
    "03-evacuate-region.md",
    "04-undrain-region.md",
    "06-rebalance-homes.md",
    "07-remove-region.md",
    "13-stuck-schema-change.md",
    "14-stale-dns.md",
    "17-locality-finding.md",
];
/// How many there are.
const RUNBOOKS: usize = 20;
/// Most columns of a line.
const COLUMNS_MAX: usize = 100;

fn open() -> (u16, String, i64) {
    (200, "ok".to_owned(), 0)
}

fn drains() -> (u16, String, i64) {
    (503, "draining".to_owned(), 1)
}

fn nobody(_: &str) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_drained_by_word_and_by_file_and_comes_back() {
    let lab = Lab::without_worker().await;
    let book = Book::read("02-drain-region.md");
    let mut desk = Desk::of(&lab, "us-east");
    let soon = lab.world.clock.now() + jiff::SignedDuration::from_secs(3600);
    desk.word("UNTIL", &soon.to_string());
    desk.follow(&book, &["Pre-checks", "Commands", "Verify"], nobody).await;
    assert_eq!(desk.seen("us-east").await, drains());
    assert_eq!(desk.seen("eu-central").await.0, 200, "only there");
    desk.follow(&book, &["Roll back"], nobody).await;
    assert_eq!(desk.seen("us-east").await, open());
    desk.has_done(&book);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_evacuated_and_name_servers_follow() {
    let regions = vec!["eu-central", "eu-west", "us-east", "ap-southeast"];
    let lab = Lab::plan(Plan { regions, work: false, ..Plan::default() }).await;
    let book = Book::read("03-evacuate-region.md");
    let mut desk = Desk::of(&lab, "eu-central");
    let (_geodns, server) = desk.geodns(&["--probe-interval-ms", "200"]);
    desk.word("SERVER", &server.to_string());
    desk.berlin_is_led_to("eu-central", server).await;
    desk.follow(&book, &["Pre-checks", "Commands"], nobody).await;
    desk.berlin_is_led_to("eu-west", server).await;
    desk.follow(&book, &["Verify"], nobody).await;
    assert_eq!(desk.seen("eu-central").await, drains());
    desk.follow(&book, &["Roll back"], nobody).await;
    desk.berlin_is_led_to("eu-central", server).await;
    assert_eq!(desk.seen("eu-central").await, open());
    desk.has_done(&book);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_region_is_taken_back() {
    let lab = Lab::without_worker().await;
    let book = Book::read("04-undrain-region.md");
    let desk = Desk::of(&lab, "eu-central");
    let word = "INSERT INTO region_drain (region, reason) VALUES ('eu-central', 'a new kernel')";
    sql(&lab.database, word).await;
    assert_eq!(desk.seen("eu-central").await, drains());
    desk.follow(&book, &["Pre-checks", "Commands", "Verify"], nobody).await;
    assert_eq!(desk.seen("eu-central").await, open());
    desk.follow(&book, &["Roll back"], nobody).await;
    assert_eq!(desk.seen("eu-central").await, drains());
    desk.has_done(&book);
}

/// What a person writes by hand: a region that homes nobody yet.
fn write_new_region(desk: &Desk) {
    let mut file = serde_json::to_value(&*desk.lab.region("ap-southeast")).unwrap();
    let mut dns = file["dns"].clone();
    (dns["continents"], dns["weight"]) = (json!([]), json!(1));
    let own = json!({
        "name": "ap-south", "id_tag": "aps2", "locality": "ap-south", "state": "planned",
        "homes": [], "dns": dns, "network": { "cidr": "10.49.0.0/16", "zones": ["a", "b", "c"] },
    });
    for (key, value) in own.as_object().unwrap() {
        file[key] = value.clone();
    }
    file["endpoints"]["api"] = desk.fill("https://ap-south.api.meridian.example").into();
    let text = serde_json::to_string_pretty(&file).unwrap();
    fs::write(desk.dir.join("regions/ap-south.json"), text).unwrap();
}

/// A node of the new region, as whoever deploys would start it.
fn start_node(desk: &Desk, listen: &str) -> Killed {
    let (lab, mut command) = (desk.lab, meridian());
    command
        .arg("--regions-dir")
        .arg(desk.dir.join("regions"))
        .args(["serve", "--region", "ap-south", "--profile", "tiny", "--seed", "7", "--listen"])
        .args([listen, "--database-url", &url_text(&lab.database), "--payments-url"])
        .args([&lab.suppliers, "--airline-url", &lab.suppliers, "--keys"])
        .arg(&lab.keys.0)
        .env("MERIDIAN_LOG", "warn");
    Killed::start_until(&mut command, "listening on ").0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_comes_and_goes() {
    let lab = Lab::without_worker().await;
    let mut desk = Desk::of(&lab, "ap-south");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    desk.word("https://ap-south.api.meridian.example", &format!("http://{listen}"));
    write_new_region(&desk);
    let places = "SELECT count(*) FROM pg_class WHERE relispartition AND relname LIKE '%_ap-south'";
    let at = |state: &str| {
        let lives = "SELECT count(*) FROM region_life WHERE region = 'ap-south' AND state =";
        format!("{lives} '{state}'")
    };

    let mut node = None;
    let mut others = |block: &str| {
        if block.contains("rollout status") {
            node = Some(start_node(&desk, &listen));
        } else if block.contains("--replicas=0") {
            node = None;
        }
    };
    let book = Book::read("01-add-region.md");
    desk.follow(&book, &["Pre-checks", "Commands", "Verify"], &mut others).await;
    assert_eq!(count(&lab.database, places).await, 17, "one for each personal table");
    assert_eq!(count(&lab.database, &at("active")).await, 1);
    desk.follow(&book, &["Roll back"], &mut others).await;
    let file = fs::read_to_string(desk.dir.join("regions/ap-south.json")).unwrap();
    assert!(file.contains("\"weight\": 0"), "{file}");
    desk.has_done(&book);

    let book = Book::read("07-remove-region.md");
    desk.follow(&book, &SECTIONS, &mut others).await;
    assert_eq!(count(&lab.database, places).await, 0);
    assert_eq!(count(&lab.database, &at("removed")).await, 1, "its tag is not used again");
    desk.has_done(&book);
    assert!(node.is_none(), "its node was stopped on the way");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_travellers_of_a_country_move_home() {
    let regions = vec!["eu-central", "eu-west"];
    let lab = Lab::plan(Plan { regions, work: false, ..Plan::default() }).await;
    let ada = Person::berliner(&lab).await;
    let mut desk = Desk::of(&lab, "eu-central");
    for (word, means) in
        [("TARGET", "eu-west"), ("COUNTRY", "DE"), ("KEYS", lab.keys.0.to_str().unwrap())]
    {
        desk.word(word, means);
    }
    let book = Book::read("06-rebalance-homes.md");
    desk.follow(&book, &SECTIONS, nobody).await;
    let there = Person { url: lab.url("eu-west"), ..ada.clone() };
    there.get("/v1/travellers/me").await.is(200);
    ada.get("/v1/travellers/me").await.refuses(421, "misdirected");
    desk.has_done(&book);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_whose_holder_died_runs_out() {
    let lab = Lab::without_worker().await;
    let book = Book::read("13-stuck-schema-change.md");
    let desk = Desk::of(&lab, "us-east");
    let held = "INSERT INTO migration_lock VALUES (1, 'somebody', now() + interval '3 seconds')";
    sql(&lab.database, held).await;
    desk.follow(&book, &SECTIONS, nobody).await;
    assert_eq!(count(&lab.database, "SELECT count(*) FROM migration_lock").await, 0);
    desk.has_done(&book);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_has_not_heard_is_told() {
    let lab = Lab::without_worker().await;
    let book = Book::read("14-stale-dns.md");
    let mut desk = Desk::of(&lab, "eu-central");
    // It does not probe, so it cannot hear.
    let (_geodns, server) = desk.geodns(&["--no-probes"]);
    desk.word("SERVER", &server.to_string());
    sql(&lab.database, "INSERT INTO region_drain (region, reason) VALUES ('eu-central', 'x')")
        .await;
    desk.follow(&book, &["Pre-checks", "Commands"], nobody).await;
    desk.berlin_is_led_to("eu-west", server).await;
    desk.follow(&book, &["Verify", "Roll back"], nobody).await;
    desk.berlin_is_led_to("eu-central", server).await;
    desk.has_done(&book);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_kept_and_undone() {
    let lab = Lab::without_worker().await;
    let ada = Person::berliner(&lab).await;
    let book = Book::read("17-locality-finding.md");
    let mut desk = Desk::of(&lab, "us-east");
    let ask = "psql \"$MERIDIAN_DATABASE_URL\" -Atc \"SELECT id FROM traveller\"";
    let id = desk.psql(ask).await.trim().to_owned();
    desk.word("HOME", "eu-central");
    desk.word("ID", &id);
    sql(&lab.database, "UPDATE traveller SET region = 'us-east'").await;
    desk.follow(&book, &SECTIONS, nobody).await;
    desk.has_done(&book);
    let kept = fs::read_to_string(desk.dir.join("finding.json")).unwrap();
    assert!(kept.contains(&id) && !kept.contains(&ada.email), "ids, and nobody's name");
    ada.get("/v1/travellers/me").await.is(200);
}

#[test]
fn every_runbook_has_its_seven_sections_and_none_is_empty() {
    let books = Book::all();
    assert_eq!(books.len(), RUNBOOKS);
    for (number, book) in (1..).zip(&books) {
        let titles: Vec<&str> = book.sections.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(titles[1..], SECTIONS, "{}", book.name);
        let title = &book.sections[0].prose;
        assert!(title.starts_with(&format!("# {number:02}. ")), "{}: {title}", book.name);
        for Section { title, prose, blocks } in &book.sections {
            let says = !prose.trim().is_empty() || !blocks.is_empty();
            assert!(says, "{}: {title} is empty", book.name);
            let mut before = "";
            for block in blocks {
                let known = ["sh", "sh run", "text"].contains(&block.info.as_str());
                assert!(known, "{}: {title} has a block \"{}\"", book.name, block.info);
                let follows = block.info != "text" || before == "sh run";
                assert!(follows, "{}: {title}: what is said stands below what is run", book.name);
                before = &block.info;
            }
        }
        let followed = FOLLOWED.contains(&book.name.as_str());
        assert_eq!(followed, book.runs() > 0, "{}: what is marked is run", book.name);
    }
}

#[test]
fn the_index_leads_to_every_runbook_and_lines_fit() {
    let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
    let dir = root().join("docs/runbooks");
    let index = fs::read_to_string(dir.join("README.md")).unwrap();
    for Book { name, .. } in Book::all() {
        assert!(index.contains(&format!("]({name})")), "README.md does not lead to {name}");
    }
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for link in link.captures_iter(&text) {
            assert!(dir.join(&link[1]).exists(), "{}: {} is not there", path.display(), &link[1]);
        }
        let long = text.lines().find(|line| line.chars().count() > COLUMNS_MAX);
        assert_eq!(long, None, "{}", path.display());
    }
}

/// What the index says to write instead of words in capitals.
fn placeholders() -> Vec<(String, String)> {
    let row = Regex::new(r"(?m)^\| ([A-Z_, ]+) \| (.*) \|$").unwrap();
    let index = fs::read_to_string(root().join("docs/runbooks/README.md")).unwrap();
    let example = Regex::new("^`([^`]+)`").unwrap();
    let mut found = Vec::new();
    for row in row.captures_iter(&index) {
        let example = example.captures(&row[2]).map_or("1".to_owned(), |it| it[1].to_owned());
        found.extend(row[1].split(", ").map(|word| (word.to_owned(), example.clone())));
    }
    found
}

#[test]
fn every_command_of_ours_is_one_of_this_build() {
    let capitals = Regex::new(r"(^|[^$A-Z_])\b([A-Z][A-Z_]+)\b").unwrap();
    let span = Regex::new("`(meridian [^`]+)`").unwrap();
    let placeholders = placeholders();
    let known = |word: &str| placeholders.iter().find(|(name, _)| name == word);
    let parse = |command: &str, more: &[&str]| {
        let fill = |word: &regex::Captures| {
            let example = known(&word[2]).map_or("1", |(_, example)| example);
            format!("{}{example}", &word[1])
        };
        let filled = capitals.replace_all(command, fill);
        let all = parts(&filled).into_iter().chain(more.iter().map(|it| (*it).to_owned()));
        Cli::try_parse_from(all)
    };
    let mut seen = 0;
    for book in Book::all().iter().chain([&Book::read("README.md")]) {
        let typed = book.blocks().filter(|block| block.info.starts_with("sh"));
        for (command, _) in typed.flat_map(|block| commands(&block.text)) {
            for word in capitals.captures_iter(&command).filter(|_| !command.contains("psql")) {
                let said = ["USER", "HOST", "MERIDIAN_REGIONS_DIR", "MERIDIAN_DATABASE_URL"];
                let clear = known(&word[2]).is_some() || said.contains(&&word[2]);
                assert!(clear, "{}: what is {}? {command}", book.name, &word[2]);
            }
            if command.starts_with("meridian ") {
                seen += 1;
                // The database's URL is exported once, for all.
                let url = ["--database-url", "postgresql://ops@db.example/meridian"];
                let parsed = parse(&command, &[]).or_else(|_| parse(&command, &url));
                assert!(parsed.is_ok(), "{}: {command}\n{}", book.name, parsed.unwrap_err());
            }
        }
        let prose = book.sections.iter().flat_map(|section| span.captures_iter(&section.prose));
        for command in prose.map(|span| span[1].to_owned()) {
            let help = parse(&command, &["--help"]).map(drop).map_err(|error| error.kind());
            assert_eq!(help, Err(ErrorKind::DisplayHelp), "{}: {command}", book.name);
        }
    }
    assert!(seen > 80, "{seen} commands were found: they are looked for in the wrong place");
}
