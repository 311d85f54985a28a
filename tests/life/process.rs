//! Processes of the real program: started, told to go, and waited for. They end with us.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use meridian::clock::Deadline;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longest that a process may take to say that it is there, and to go when it is told to.
const PROCESS_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The real program, as nobody's settings make it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
    // A developer's own settings must not decide a proof.
    for name in ["MERIDIAN_DATABASE_URL", "MERIDIAN_STATE_DIR", "MERIDIAN_REGIONS_DIR"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).env("MERIDIAN_LOG", "warn");
    command
}

/// A process with its output drained and its complaints in a file.
pub(crate) struct Running {
    pub(crate) child: Child,
    says: Option<Lines<BufReader<ChildStdout>>>,
}

impl Running {
    /// Starts it and waits for the line that says that it is there; the rest of that line.
    pub(crate) async fn start(command: Command, log: File, says: &'static str) -> (Self, String) {
        let name = format!("{command:?}");
        let mut running = Self::spawn(command, log);
        let said = running.ready(says).await;
        (running, said.unwrap_or_else(|| panic!("{name} is not ready")))
    }

    /// Starts it.
    pub(crate) fn spawn(mut command: Command, log: File) -> Self {
        command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let says = child.stdout.take().map(|out| BufReader::new(out).lines());
        Self { child, says }
    }

    /// Waits for the line that says that it is there; `None` if it ended before, or took too long.
    pub(crate) fn ready(
        &mut self,
        says: &'static str,
    ) -> impl Future<Output = Option<String>> + use<> {
        let lines = self.says.take();
        async move {
            let mut lines = lines?;
            let said = async {
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Some(rest) = line.strip_prefix(says) {
                        return Some(rest.to_owned());
                    }
                }
                None
            };
            let said = tokio::time::timeout(PROCESS_PATIENCE, said).await.ok()??;
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            Some(said)
        }
    }

    /// Says good-bye to it, and waits until it has gone in order.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::TERM);
        let status = tokio::time::timeout(PROCESS_PATIENCE, self.child.wait()).await;
        let status = status.expect("a process goes when it is told to").unwrap();
        assert!(status.success(), "a process that was told to go ended with {status}");
    }

    /// Sends it a signal, if it has not ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            kill_process(pid, signal).unwrap();
        }
    }
}

/// Waits until something is so; false if it never was.
pub(crate) async fn until<Fut: Future<Output = bool>>(
    patience: Duration,
    mut so: impl FnMut() -> Fut,
) -> bool {
    let deadline = Deadline::after(patience);
    while !so().await {
        if deadline.passed() {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
