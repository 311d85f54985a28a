//! The embedded PostgreSQL: found on the machine or brought from a bundle, run as a private child.
//!
//! It listens on a Unix socket in its own directory only, never runs as root, has its own process
//! group (Ctrl-C must not stop it before our requests are done), and ends by itself when we are
//! killed. A kept directory is crash-safe; an ephemeral one trades that for speed and is deleted.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::bundle::{self, Refused};
use crate::clock::Deadline;
use crate::store::DatabaseUrl;

/// Whom the server runs as when we are root: `nobody`, who owns nothing else of ours.
const NOBODY: u32 = 65534;
/// Longest start, recovery after a crash included.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Longest fast stop before the server is told to drop everything.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(15);
/// Longest path of a Unix socket's directory: 107 bytes less the socket's own name.
const SOCKET_DIR_BYTES_MAX: usize = 90;
/// Connections that the server allows; four nodes of a demo need about thirty.
const CONNECTIONS_MAX: u32 = 100;
/// The superuser of the private server.
pub const USER: &str = "postgres";

/// Where the data lives and for how long.
#[derive(Clone, Debug)]
pub enum Keep {
    /// In this directory, through crashes and restarts.
    Directory(PathBuf),
    /// In a fresh directory that is deleted at the end.
    Ephemeral,
}

/// A running private server. Dropping it stops it.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    ephemeral: bool,
    version: String,
    source: String,
    pid: Pid,
    ended: Mutex<mpsc::Receiver<ExitStatus>>,
    /// Deletes an ephemeral directory when we cannot.
    sweeper: Option<Child>,
    /// Held as long as the server runs: two of us must not share a directory.
    _lock: fs::File,
}

impl Postgres {
    /// Finds PostgreSQL, prepares the directory and starts the server.
    pub fn start(keep: Keep) -> Result<Self, Refused> {
        let binaries = bundle::find()?;
        let (dir, ephemeral) = match keep {
            Keep::Directory(dir) => (dir, false),
            Keep::Ephemeral => (ephemeral_dir(), true),
        };
        prepare(&dir)?;
        let lock = lock(&dir)?;
        let data = dir.join("data");
        if !data.exists() {
            init(&binaries.dir, &dir, &data, ephemeral)?;
        }
        clear_leftover(&data)?;
        let (pid, ended) = spawn(&binaries.dir, &dir, &data, ephemeral)?;
        let (version, source) = (binaries.version, binaries.source);
        let sweeper = if ephemeral { sweep_after(&dir, pid) } else { None };
        let ended = Mutex::new(ended);
        let server = Self { dir, ephemeral, version, source, pid, ended, sweeper, _lock: lock };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Its URL, for a database on it.
    pub fn url(&self, database: &str) -> DatabaseUrl {
        DatabaseUrl::socket(&self.dir, USER, database)
    }

    /// Its version and where its programs were found.
    pub fn describe(&self) -> String {
        format!("{} from {}", self.version, self.source)
    }

    /// The directory of its socket and data.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn wait_until_ready(&self) -> Result<(), Refused> {
        let deadline = Deadline::after(START_PATIENCE);
        // The eighth line of the pid file says how far the server is; PostgreSQL writes it so that
        // launchers need not connect to find out.
        let pid_file = self.dir.join("data/postmaster.pid");
        while !fs::read_to_string(&pid_file)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
        {
            if self.ended_within(Duration::ZERO) || deadline.passed() {
                return Err(Refused(format!(
                    "PostgreSQL did not start; its last words: {}",
                    last_words(&self.dir)
                )));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn stop(&self) {
        // Once it has ended, its number may be somebody else's.
        if self.ended_within(Duration::ZERO) {
            return;
        }
        // SIGINT is the fast stop: sessions are ended, nothing committed is lost.
        let _ = kill_process(self.pid, Signal::INT);
        if !self.ended_within(STOP_PATIENCE) {
            let _ = kill_process(self.pid, Signal::QUIT);
            self.ended_within(STOP_PATIENCE);
        }
    }

    fn ended_within(&self, patience: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(patience).is_ok()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        if self.ephemeral {
            let _ = fs::remove_dir_all(&self.dir);
        }
        if let Some(sweeper) = &mut self.sweeper {
            drop(sweeper.stdin.take());
            let _ = sweeper.wait();
        }
    }
}

fn refused(what: &str, path: &Path, error: &std::io::Error, advice: &str) -> Refused {
    Refused(format!("{what} {} failed: {error}; {advice}", path.display()))
}

/// A fresh directory in memory where the machine has such, else in the temporary directory.
/// The name carries our process id, so that a later run can tell whose it was.
fn ephemeral_dir() -> PathBuf {
    let shm = Path::new("/dev/shm");
    let base = if fs::metadata(shm).is_ok_and(|meta| meta.is_dir()) {
        shm.to_owned()
    } else {
        std::env::temp_dir()
    };
    sweep(&base);
    let unique = uuid::Uuid::new_v4().simple().to_string();
    base.join(format!("meridian-{}-{}", std::process::id(), &unique[..8]))
}

/// A shell that waits for our end, however it comes: its input closes with us. Then it waits
/// for the server, too, and deletes the directory. Where there is no shell, a later run sweeps.
fn sweep_after(dir: &Path, server: Pid) -> Option<Child> {
    let script = "read -r _; while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done; rm -rf \"$2\"";
    Command::new("/bin/sh")
        .args(["-c", script, "sweeper", &server.as_raw_nonzero().to_string()])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()
}

/// Deletes what killed runs could not delete themselves.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix("meridian-")?.split('-').next());
        let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        // Its owner may live where we cannot see it, in another container; its lock tells.
        let unlocked = fs::File::options()
            .read(true)
            .write(true)
            .open(entry.path().join("launcher.lock"))
            .is_ok_and(|lock| lock.try_lock().is_ok());
        let server = server_of(&entry.path().join("data"));
        let gone = !Path::new(&format!("/proc/{owner}")).exists();
        let abandoned = gone && unlocked && server.is_none();
        if abandoned && cfg!(target_os = "linux") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn prepare(dir: &Path) -> Result<(), Refused> {
    let advice = "choose another place with --state-dir, or free space there";
    if dir.as_os_str().len() > SOCKET_DIR_BYTES_MAX {
        return Err(Refused(format!(
            "{} is too long for a Unix socket; choose a shorter --state-dir",
            dir.display()
        )));
    }
    fs::create_dir_all(dir).map_err(|error| refused("making", dir, &error, advice))?;
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(dir, private)
        .map_err(|error| refused("protecting", dir, &error, advice))?;
    if geteuid().is_root() {
        chown(dir, Some(NOBODY), Some(NOBODY))
            .map_err(|error| refused("handing over", dir, &error, advice))?;
        check_reachable(dir)?;
    }
    Ok(())
}

/// As root we run the server as nobody, who must be able to walk to the directory.
fn check_reachable(dir: &Path) -> Result<(), Refused> {
    let closed = dir.ancestors().skip(1).find(|parent| {
        fs::metadata(parent).is_ok_and(|meta| meta.permissions().mode() & 0o001 == 0)
    });
    match closed {
        None => Ok(()),
        Some(parent) => Err(Refused(format!(
            "PostgreSQL may not run as root, and the user nobody cannot enter {}; run as another \
             user, or choose a --state-dir below /var/lib or /tmp",
            parent.display()
        ))),
    }
}

fn lock(dir: &Path) -> Result<fs::File, Refused> {
    let path = dir.join("launcher.lock");
    let advice = "make the directory writable";
    let file = private_file()
        .truncate(false)
        .open(&path)
        .map_err(|error| refused("opening", &path, &error, advice))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Refused(format!(
            "another meridian uses {}; stop it, or start this one with --ephemeral or with another \
             --state-dir",
            dir.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(refused("locking", &path, &error, advice)),
    }
}

/// How our own files in the server's directory are opened: never through a link, since the
/// directory may belong to a user with fewer rights than ours.
fn private_file() -> fs::OpenOptions {
    let mut options = fs::File::options();
    let no_links = rustix::fs::OFlags::NOFOLLOW.bits();
    options.create(true).read(true).write(true).mode(0o600);
    options.custom_flags(no_links.try_into().expect("flags are positive"));
    options
}

/// A command of the server's package: as nobody when we are root, alone with its own environment.
fn command(binary: &Path, dir: &Path) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(dir).env_clear().env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Makes a database beside its place and moves it there when it is whole, so that what is killed in
/// the middle is never taken for a database.
fn init(binaries: &Path, dir: &Path, data: &Path, ephemeral: bool) -> Result<(), Refused> {
    let unfinished = dir.join("data.unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    let mut initdb = command(&binaries.join("initdb"), dir);
    initdb.arg("-D").arg(&unfinished);
    initdb.args(["-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]);
    if ephemeral {
        initdb.arg("--no-sync");
    }
    let output = initdb
        .output()
        .map_err(|error| refused("running initdb in", dir, &error, "is PostgreSQL complete?"))?;
    if output.status.success() {
        let advice = "make the directory writable";
        return fs::rename(&unfinished, data)
            .map_err(|error| refused("finishing", data, &error, advice));
    }
    let _ = fs::remove_dir_all(&unfinished);
    let words = String::from_utf8_lossy(&output.stderr);
    // Its last line is that it cleans up; the reason stands before.
    let reason = |line: &&str| line.contains("FATAL") || line.contains("error");
    let last = words.lines().find(reason).or(words.lines().next_back()).unwrap_or("no word");
    Err(Refused(format!(
        "initdb failed in {}: {last}; free space there or choose another --state-dir",
        dir.display()
    )))
}

/// The live server that a data directory's pid file names, if it really is one.
fn server_of(data: &Path) -> Option<i32> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(')')?.1.split_whitespace().next()?.to_owned();
    // After a reboot the number may be another PostgreSQL's: only ours works in our directory.
    let ours = fs::read_link(format!("/proc/{pid}/cwd")).ok()? == fs::canonicalize(data).ok()?;
    (command.trim() == "postgres" && state != "Z" && ours).then_some(pid)
}

/// After a kill the pid file may name a dead process, a zombie or a stranger, and each of the
/// latter two would keep PostgreSQL from starting. A live server is waited for: it is on its way
/// out.
fn clear_leftover(data: &Path) -> Result<(), Refused> {
    let deadline = Deadline::after(START_PATIENCE);
    while let Some(pid) = server_of(data).filter(|_| cfg!(target_os = "linux")) {
        if deadline.passed() {
            return Err(Refused(format!(
                "an older PostgreSQL (process {pid}) still uses {}; stop it with `kill -INT {pid}`",
                data.display()
            )));
        }
        let ours = kill_process(Pid::from_raw(pid).expect("a pid is not zero"), Signal::INT);
        ours.map_err(|error| Refused(format!("stopping the older process {pid} failed: {error}")))?;
        std::thread::sleep(PAUSE);
    }
    let file = data.join("postmaster.pid");
    if file.exists() {
        fs::remove_file(&file)
            .map_err(|error| refused("removing", &file, &error, "remove it by hand"))?;
    }
    Ok(())
}

fn settings(dir: &Path, ephemeral: bool) -> Vec<String> {
    let socket = dir.display();
    let mut settings = vec![
        format!("unix_socket_directories={socket}"),
        "unix_socket_permissions=0700".into(),
        "listen_addresses=".into(),
        format!("max_connections={CONNECTIONS_MAX}"),
        "shared_buffers=128MB".into(),
        "timezone=UTC".into(),
        "log_min_messages=warning".into(),
        // Values of a failed statement must not reach the log: they may be about a person.
        "log_min_error_statement=panic".into(),
        "log_error_verbosity=terse".into(),
        "log_parameter_max_length_on_error=0".into(),
    ];
    if ephemeral {
        settings.extend(
            ["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned),
        );
    }
    settings
}

type Spawned = (Pid, mpsc::Receiver<ExitStatus>);

/// Spawns the server from a thread that lives as long as we do and reaps it: the orphan guard is
/// bound to the thread that spawned, and an unreaped server would block the next start.
fn spawn(binaries: &Path, dir: &Path, data: &Path, ephemeral: bool) -> Result<Spawned, Refused> {
    let log = dir.join("postgres.log");
    let output = private_file()
        .truncate(true)
        .open(&log)
        .map_err(|error| refused("writing", &log, &error, "free space there"))?;
    let errors =
        output.try_clone().map_err(|error| refused("writing", &log, &error, "free space there"))?;
    let mut server = command(&binaries.join("postgres"), dir);
    server.arg("-D").arg(data).stdout(output).stderr(errors).process_group(0);
    for setting in settings(dir, ephemeral) {
        server.arg("-c").arg(setting);
    }
    end_with_us(&mut server);
    let (say_started, started) = mpsc::channel();
    let (say_ended, ended) = mpsc::channel();
    std::thread::Builder::new()
        .name("postgres-keeper".into())
        .spawn(move || {
            let mut child: Child = match server.spawn() {
                Ok(child) => child,
                Err(error) => return drop(say_started.send(Err(error))),
            };
            let pid = Pid::from_child(&child);
            let _ = say_started.send(Ok(pid));
            if let Ok(status) = child.wait() {
                let _ = say_ended.send(status);
            }
        })
        .map_err(|error| Refused(format!("no thread for PostgreSQL: {error}")))?;
    let started = started.recv().expect("the keeper says how the start went");
    let pid =
        started.map_err(|error| refused("starting", dir, &error, "is PostgreSQL complete?"))?;
    Ok((pid, ended))
}

/// When we die without a word, the kernel gives the server the signal for a fast stop.
#[cfg(target_os = "linux")]
fn end_with_us(command: &mut Command) {
    #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
    // SAFETY: the closure makes one system call, which is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::INT))?;
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_us(_command: &mut Command) {}

fn last_words(dir: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = fs::File::open(dir.join("postgres.log")) {
        let _ = file.read_to_string(&mut text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.len().saturating_sub(3);
    if lines.is_empty() { "none".into() } else { lines[tail..].join(" | ") }
}
