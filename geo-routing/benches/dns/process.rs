//! A server as a child process on a core of its own: started, asked until it answers, weighed, and
//! ended whatever happens.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::clock;
use crate::questions::{HEADER_BYTES, Wanted, question};

/// The core that servers share; only one of them works at a time.
const SERVER_CORE: &str = "0";

/// How long a server may take from its start to its first answer.
const START_MAX: Duration = Duration::from_secs(60);

/// How long it may take to answer one question.
const ANSWER_MAX: Duration = Duration::from_millis(200);

/// Lines of a server's log that are shown when it fails.
const LOG_LINES_SHOWN: usize = 20;

/// Ports tried until one is free for both UDP and TCP.
const PORT_ATTEMPTS_MAX: usize = 32;

/// A running server. Dropping it kills it.
pub(crate) struct Process {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    child: Child,
    log: PathBuf,
}

/// Memory in MiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// At present.
    pub(crate) resident: f64,
    /// At most, since the start.
    pub(crate) peak: f64,
}

impl Process {
    /// Starts a program that is to listen at an address, and waits until it answers for a name.
    pub(crate) fn start(
        name: &'static str,
        dir: &Path,
        address: SocketAddr,
        asked: &str,
        command: &[&str],
    ) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        // It ends with us even if we are killed, and its id is the server's own: each of these
        // becomes the next.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "--cpu-list", SERVER_CORE])
            .args(command)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv of util-linux is needed: {error}"));
        let mut process = Self { name, address, child, log };
        process.wait_until_it_answers(asked);
        process
    }

    fn wait_until_it_answers(&mut self, asked: &str) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let question = question(asked, Wanted::A, None);
        let deadline = clock::instant() + START_MAX;
        let mut answer = [0; 1500];
        while clock::instant() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.name, self.last_words());
            }
            // Nobody listens yet: that is said at once, and the next try should not be.
            if socket.send(&question).and_then(|_| socket.recv(&mut answer)).is_err() {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            if is_good(&answer) {
                return;
            }
        }
        panic!("{} did not answer in {START_MAX:?}:\n{}", self.name, self.last_words());
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Time that all threads have spent on a core so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = tasks.map(|task| {
            let text = fs::read_to_string(task.unwrap().path().join("schedstat"));
            // A thread may have ended since it was listed.
            let text = text.unwrap_or_default();
            text.split(' ').next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    pub(crate) fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
        };
        Memory { resident: mib("VmRSS:"), peak: mib("VmHWM:") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether an answer is one: NOERROR and at least one record.
pub(crate) fn is_good(answer: &[u8]) -> bool {
    answer.len() > HEADER_BYTES
        && answer[2] & 0x80 != 0
        && answer[3] & 0x0f == 0
        && answer[6..8] != [0, 0]
}

/// An address of this machine that is free for both UDP and TCP.
pub(crate) fn free_address() -> SocketAddr {
    for _ in 0..PORT_ATTEMPTS_MAX {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// Puts the asking thread on the other core.
pub(crate) fn stay_on_the_askers_core() {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(1);
    rustix::thread::sched_setaffinity(None, &cores)
        .unwrap_or_else(|error| panic!("two cores are needed, one for each side: {error}"));
}
