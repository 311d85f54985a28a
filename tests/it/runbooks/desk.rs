//! Runbooks as text, and the desk at which one is followed.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use regex::Regex;
use tokio_postgres::SimpleQueryMessage;

use crate::asker::get;
use crate::lab::{Lab, connect, count, until};
use crate::processes::{Killed, meridian, run, url_text, words};

/// Somebody in Berlin.
const BERLIN: &str = "53.128.0.0/24";

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block: what stands behind the fence, and what is inside.
pub(super) struct Block {
    pub(super) info: String,
    pub(super) text: String,
}

/// Its title, what stands outside of blocks, and the blocks.
#[derive(Default)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) prose: String,
    pub(super) blocks: Vec<Block>,
}

pub(super) struct Book {
    pub(super) name: String,
    pub(super) sections: Vec<Section>,
}

impl Book {
    pub(super) fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join("docs/runbooks").join(name)).unwrap();
        let (mut sections, mut inside) = (vec![Section::default()], None::<Block>);
        for line in text.lines() {
            let section = sections.last_mut().unwrap();
            if let Some(info) = line.strip_prefix("```") {
                match inside.take() {
                    Some(block) => section.blocks.push(block),
                    None => inside = Some(Block { info: info.to_owned(), text: String::new() }),
                }
            } else if let Some(block) = &mut inside {
                block.text.extend([line, "\n"]);
            } else if let Some(title) = line.strip_prefix("## ") {
                sections.push(Section { title: title.to_owned(), ..Section::default() });
            } else {
                section.prose.extend([line, "\n"]);
            }
        }
        assert!(inside.is_none(), "{name}: a block is not closed");
        Self { name: name.to_owned(), sections }
    }

    pub(super) fn all() -> Vec<Self> {
        let entries = fs::read_dir(root().join("docs/runbooks")).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names.retain(|name| name != "README.md");
        names.iter().map(|name| Self::read(name)).collect()
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }

    pub(super) fn runs(&self) -> usize {
        self.blocks().filter(|block| block.info == "sh run").count()
    }
}

/// A block's commands, each with the exit code that it says it has.
pub(super) fn commands(block: &str) -> Vec<(String, i32)> {
    let (mut commands, mut begun) = (Vec::new(), String::new());
    for line in block.lines() {
        begun += line;
        // A line goes on behind a backslash, and as long as a quotation is open.
        if begun.ends_with('\\') || begun.matches('"').count() % 2 == 1 {
            begun.push('\n');
            continue;
        }
        let command = std::mem::take(&mut begun);
        if !command.trim().is_empty() && !command.starts_with('#') {
            let code = command.rsplit_once("# exit ").map_or(0, |(_, code)| code.parse().unwrap());
            commands.push((command, code));
        }
    }
    assert!(begun.is_empty(), "this command does not end: {begun}");
    commands
}

/// A command's words, as a shell would part them, up to a pipe, a redirection or a comment.
pub(super) fn parts(command: &str) -> Vec<String> {
    let (mut parts, mut part, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.replace("\\\n", " ").chars() {
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => part.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                part.get_or_insert_default();
            }
            None if "|>#;&".contains(c) => break,
            None if c.is_whitespace() => parts.extend(part.take()),
            None => part.get_or_insert_default().push(c),
        }
    }
    parts.extend(part);
    parts
}

/// The place of somebody who follows a runbook: a checkout with region files whose regions answer
/// where the house's nodes do, and the words that are written for the runbook's.
pub(super) struct Desk<'a> {
    pub(super) lab: &'a Lab,
    pub(super) dir: PathBuf,
    words: Vec<(String, String)>,
    ran: Cell<usize>,
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl<'a> Desk<'a> {
    pub(super) fn of(lab: &'a Lab, region: &str) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let dir = std::env::temp_dir().join(format!("meridian-desk-{unique}"));
        let mut desk = Self { lab, dir, words: Vec::new(), ran: Cell::new(0) };
        desk.word("REGION", region);
        desk.word("REASON", "a drill");
        desk.word("SUBNET", BERLIN);
        desk.word("KEYS", lab.keys.0.to_str().unwrap());
        for (word, dir) in [("LIVE", "live"), ("STATE_DIR", "state")] {
            desk.word(word, desk.dir.join(dir).to_str().unwrap());
        }
        for region in lab.registry.all() {
            desk.word(&format!("https://{region}.api.meridian.example"), &lab.url(&region.name));
        }
        fs::create_dir_all(desk.dir.join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_meridian"), desk.dir.join("bin/meridian")).unwrap();
        let shipped = root().join("regions");
        assert_eq!(desk.sh(&format!("cp -r '{}' .", shipped.display())).0, 0);
        for region in lab.registry.all() {
            let path = desk.dir.join(format!("regions/{region}.json"));
            let text = desk.fill(&fs::read_to_string(&path).unwrap());
            fs::write(path, text).unwrap();
        }
        assert_eq!(desk.sh("cp -r regions live").0, 0);
        desk
    }

    pub(super) fn word(&mut self, word: &str, is: &str) {
        self.words.push((word.to_owned(), is.to_owned()));
    }

    pub(super) fn fill(&self, text: &str) -> String {
        let word = |text: String, (word, is): &(String, String)| {
            let whole = Regex::new(&format!(r"\b{}\b", regex::escape(word))).unwrap();
            whole.replace_all(&text, regex::NoExpand(is)).into_owned()
        };
        self.words.iter().fold(text.to_owned(), word)
    }

    /// Follows sections of a runbook; what other tools would do is left to `others`.
    pub(super) async fn follow(
        &self,
        book: &Book,
        sections: &[&str],
        mut others: impl FnMut(&str),
    ) {
        let asked = |section: &&Section| sections.contains(&section.title.as_str());
        for section in book.sections.iter().filter(asked) {
            let mut said = String::new();
            for block in &section.blocks {
                let text = self.fill(&block.text);
                match block.info.as_str() {
                    "sh run" => {
                        said = self.run(&text).await;
                        self.ran.set(self.ran.get() + 1);
                    }
                    "text" => as_promised(&said, &text),
                    _ => others(&text),
                }
            }
        }
    }

    /// Nothing of a runbook was left out.
    pub(super) fn has_done(&self, book: &Book) {
        assert_eq!(self.ran.replace(0), book.runs(), "blocks of {} that were run", book.name);
    }

    async fn run(&self, block: &str) -> String {
        let mut said = String::new();
        for (command, wanted) in commands(block) {
            let (code, words) = match command.split(' ').next() {
                Some("curl") => self.curl(&command).await,
                Some("psql") => (0, self.psql(&command).await),
                _ => self.sh(&command),
            };
            assert_eq!(code, wanted, "$ {command}\n{words}");
            said += &words;
        }
        said
    }

    fn sh(&self, command: &str) -> (i32, String) {
        let mut shell = Command::new("sh");
        // A developer's own settings must not decide a test.
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("MERIDIAN_")) {
            shell.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .args(["-c", command])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .env("PATH", format!("{}:{path}", self.dir.join("bin").display()))
            .env("MERIDIAN_REGIONS_DIR", "regions")
            .env("MERIDIAN_DATABASE_URL", url_text(&self.lab.database));
        let output = run(&mut shell);
        (output.status.code().unwrap(), words(&output))
    }

    /// `curl -s URL`: in its place, since nobody needs it to build the house.
    async fn curl(&self, command: &str) -> (i32, String) {
        match reqwest::get(command.strip_prefix("curl -s ").unwrap()).await {
            Ok(answer) => (0, answer.text().await.unwrap() + "\n"),
            // As curl counts: it failed to connect.
            Err(_) => (7, String::new()),
        }
    }

    /// `psql "$MERIDIAN_DATABASE_URL" -Atc "STATEMENT"`: in its place, for the same reason.
    #[expect(clippy::disallowed_methods, reason = "what a person types is no query of the store's")]
    pub(super) async fn psql(&self, command: &str) -> String {
        let statement = parts(command).pop().unwrap();
        let messages = connect(&self.lab.database).await.simple_query(&statement).await.unwrap();
        let mut said = String::new();
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => {
                    let fields: Vec<&str> = (0..row.len()).filter_map(|at| row.get(at)).collect();
                    said += &(fields.join("|") + "\n");
                }
                SimpleQueryMessage::CommandComplete(rows) if statement.starts_with("UPDATE") => {
                    said += &format!("UPDATE {rows}\n");
                }
                _ => {}
            }
        }
        said
    }

    /// A name server over the desk's files.
    pub(super) fn geodns(&self, more: &[&str]) -> (Killed, SocketAddr) {
        let mut command = meridian();
        command.arg("--regions-dir").arg(self.dir.join("regions"));
        command.args(["geodns", "--listen", "127.0.0.1:0", "--state-dir"]);
        command.arg(self.dir.join("state")).args(more);
        let (server, line) = Killed::start_until(&mut command, "answering on ");
        (server, line.split_whitespace().nth(2).unwrap().parse().unwrap())
    }

    pub(super) async fn berlin_is_led_to(&self, region: &str, server: SocketAddr) {
        let registry = self.lab.registry;
        until(&format!("Berlin is led to {region}"), || async move {
            let subnet = BERLIN.parse().unwrap();
            let found = meridian::demo::client::nearest(server, registry, "api", subnet).await;
            found.is_ok_and(|it| it.name == region)
        })
        .await;
    }

    /// What a region tells name servers, and how many drain by the database.
    pub(super) async fn seen(&self, region: &str) -> (u16, String, i64) {
        let answer = get(self.lab, region, "/edge-health").await;
        let status = answer.json()["status"].as_str().unwrap().to_owned();
        let drains = count(&self.lab.database, "SELECT count(*) FROM region_drain").await;
        (answer.status.as_u16(), status, drains)
    }
}

/// Each line was said, one behind the other; `…` stands for anything.
fn as_promised(said: &str, wanted: &str) {
    let mut lines = said.lines();
    for wanted in wanted.lines() {
        let like = regex::escape(wanted).replace('…', ".*");
        let like = Regex::new(&format!("^{like}$")).unwrap();
        assert!(lines.any(|line| like.is_match(line)), "\"{wanted}\" was not said:\n{said}");
    }
}
