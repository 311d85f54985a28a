//! Crash points: places by name at which a node dies, if a test has armed them. There is one before
//! and after every COMMIT, under the transaction's name, and one before and after every call to
//! another company, under the call's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// On which side of what a node dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// All is written, and COMMIT is not sent yet.
    BeforeCommit,
    /// It is committed, and nobody has been told.
    AfterCommit,
    /// Nothing was asked yet.
    BeforeCall,
    /// The other company has answered, and nothing is written down.
    AfterCall,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::BeforeCommit, Self::AfterCommit, Self::BeforeCall, Self::AfterCall];

    /// As a point's name begins.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforeCall => "before_call",
            Self::AfterCall => "after_call",
        }
    }
}

/// One crash point, written `before_commit:order_accept` or `after_call:capture`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrashPoint {
    /// On which side.
    pub moment: Moment,
    /// The transaction or the call.
    pub of: String,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.moment.name(), self.of)
    }
}

impl FromStr for CrashPoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = "write before_commit:NAME, after_commit:NAME, before_call:NAME or \
                      after_call:NAME";
        let (moment, of) = text.split_once(':').ok_or(wanted)?;
        let moment = Moment::ALL.into_iter().find(|it| it.name() == moment).ok_or(wanted)?;
        if of.is_empty() { Err(wanted) } else { Ok(Self { moment, of: of.to_owned() }) }
    }
}

/// How a node dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Its process is killed there and then: nothing is flushed, nobody hears a good-bye.
    Process,
    /// In a process with other nodes: from then on this one commits nothing and asks nobody.
    Node,
}

/// The armed crash point of a node, if there is one. Without it, passing a point is one load.
#[derive(Clone, Debug, Default)]
pub struct Crash {
    armed: Arc<AtomicBool>,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    point: Option<(CrashPoint, Death)>,
    dead: bool,
}

impl Crash {
    /// The next time that this point is reached, the node dies.
    pub fn arm(&self, point: CrashPoint, death: Death) {
        self.state.send_modify(|state| state.point = Some((point, death)));
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Waits until the node is dead.
    pub async fn death(&self) {
        // The sender lives as long as `self` does.
        let _ = self.state.subscribe().wait_for(|state| state.dead).await;
    }

    /// Goes by a point; nobody comes back from one at which the node dies or has died before.
    pub async fn pass(&self, moment: Moment, of: &str) {
        if self.strikes(moment, of) {
            std::future::pending::<()>().await;
        }
    }

    /// Whether whoever is here is dead and must neither go on nor hold on to anything.
    pub(super) fn strikes(&self, moment: Moment, of: &str) -> bool {
        if !self.armed.load(Ordering::Relaxed) {
            return false;
        }
        let mut strikes = false;
        self.state.send_if_modified(|state| {
            let here = |point: &CrashPoint| point.moment == moment && point.of == of;
            let now = state.point.as_ref().filter(|(point, _)| here(point));
            if let Some((point, Death::Process)) = now {
                kill_myself(point);
            }
            let dies = !state.dead && now.is_some();
            state.dead |= dies;
            strikes = state.dead;
            dies
        });
        strikes
    }
}

/// What `kill -9` does, and nothing gentler.
fn kill_myself(point: &CrashPoint) -> ! {
    tracing::error!(%point, "the node dies at its crash point");
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::{CrashPoint, Moment};

    #[test]
    fn points_are_written_as_they_are_read() {
        for moment in Moment::ALL {
            let point = CrashPoint { moment, of: "capture".to_owned() };
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for wrong in ["", "after_call", "after_call:", "amid_call:capture"] {
            assert!(wrong.parse::<CrashPoint>().is_err(), "{wrong}");
        }
    }
}
