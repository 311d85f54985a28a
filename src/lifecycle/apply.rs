//! Carrying out a plan, step by step, under the lock that migrations take too. Each step is written
//! down before and after, so that a plan that was cut off goes on where it was.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use meridian_regions::{RegionId, Registry};

use super::drain::{self, Seen};
use super::moving::{self, Tally};
use super::plan::{Act, Plan, Step, Until};
use crate::catalogue::Catalogue;
use crate::clock::Deadline;
use crate::privacy::keys::HandoverKeys;
use crate::store::datamap::{self, Class};
use crate::store::lifecycle::Life;
use crate::store::migrate::Lock;
use crate::store::regions::{Change, Makes};
use crate::store::{DatabaseUrl, Error, Store};
use crate::travellers::moving::Mover;

/// Longest that writing a step down may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Why a plan's own drain is there.
const REASON: &str = "its file says draining";

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Commands and statements that were done by hand.
    pub done: BTreeSet<i64>,
    /// Longest wait of one step.
    pub wait: Duration,
    /// Where the keys are that move travellers.
    pub keys: Option<PathBuf>,
}

/// What is told while a plan is carried out.
pub enum News<'a> {
    /// A step is begun.
    Step(&'a Step),
    /// Moving has got so far.
    Moved(Tally),
}

/// How far a plan got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it.
    Done,
    /// As far as a step that is somebody else's.
    Yours(Step),
}

/// Why a plan is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The database.
    #[error(transparent)]
    Store(#[from] Error),
    /// Somebody changed the plan's file.
    #[error("the plan is not as it was made; make it again with `meridian regions plan`")]
    Changed,
    /// It was made from other files.
    #[error(
        "the plan was made from other region files ({theirs}, here {mine}); make it again from \
         these"
    )]
    OtherFiles {
        /// Here.
        mine: String,
        /// Then.
        theirs: String,
    },
    /// The world went on without it.
    #[error("{region} is {is} by now and the plan begins at {from}; make the plan again")]
    Stale {
        /// The region.
        region: String,
        /// Where it is.
        is: String,
        /// Where the plan thought it was.
        from: String,
    },
    /// A step number that nobody can have done by hand.
    #[error("step {0} is neither a command nor a statement of this plan; `--done` is for those")]
    NotYours(i64),
    /// Travellers cannot be moved without keys.
    #[error(
        "step {number} moves travellers out of {region}; run this on a machine of {region} and say \
         where its key and the public keys of the others are with --keys DIR"
    )]
    NoKeys {
        /// The step.
        number: i64,
        /// The region.
        region: String,
    },
    /// Some travellers did not move.
    #[error(
        "step {number}: {} travellers moved, {} stayed because a seal of theirs did not open; see \
         docs/runbooks/06-rebalance-homes.md, and `meridian regions apply` goes on from here",
        .tally.moved,
        .tally.failed
    )]
    Stayed {
        /// The step.
        number: i64,
        /// How many.
        tally: Tally,
    },
    /// It took too long.
    #[error(
        "step {number}, {region}: {until} is still not so ({found}); nothing was changed by this \
         step, and `meridian regions apply` goes on from here"
    )]
    Waited {
        /// The step.
        number: i64,
        /// The region.
        region: String,
        /// What was waited for.
        until: Until,
        /// What is.
        found: String,
    },
    /// The statement failed.
    #[error(
        "step {number} failed: {why}; mend that, and `meridian regions apply` goes on from here"
    )]
    Failed {
        /// The step.
        number: i64,
        /// Why.
        why: String,
    },
}

/// Carries a plan out as far as it goes; `tell` hears of each step before it is done, and how far
/// moving has got.
pub async fn apply(
    store: &Store,
    url: &DatabaseUrl,
    registry: &Registry,
    plan: &Plan,
    orders: &Orders,
    mut tell: impl FnMut(News<'_>),
) -> Result<Progress, ApplyError> {
    if !plan.is_whole() {
        return Err(ApplyError::Changed);
    }
    if plan.regions != registry.fingerprint() {
        let (mine, theirs) = (registry.fingerprint().to_owned(), plan.regions.clone());
        return Err(ApplyError::OtherFiles { mine, theirs });
    }
    let by_hand = |number: &i64| {
        let step = plan.steps.iter().find(|step| step.number == *number);
        step.is_some_and(|step| matches!(step.act, Act::Command(_) | Act::Sql(_)))
    };
    if let Some(number) = orders.done.iter().find(|number| !by_hand(number)) {
        return Err(ApplyError::NotYours(*number));
    }
    let lock = Lock::take(url, store.engine()).await?;
    let hand = Hand { store, registry, plan, orders, lock: &lock };
    let progress = hand.carry_out(&mut tell).await;
    lock.release().await?;
    progress
}

struct Hand<'a> {
    store: &'a Store,
    registry: &'a Registry,
    plan: &'a Plan,
    orders: &'a Orders,
    lock: &'a Lock,
}

impl Hand<'_> {
    async fn carry_out(&self, tell: &mut impl FnMut(News<'_>)) -> Result<Progress, ApplyError> {
        let (done, begun) = self.store.steps(&self.plan.id).await?;
        if done.is_empty() && begun.is_empty() {
            self.is_fresh().await?;
        }
        let is_done = |step: &&Step| done.contains(&step.number) && !step.act.is_never_done();
        for step in self.plan.steps.iter().filter(|step| !is_done(step)) {
            let deadline = || Deadline::after(PATIENCE);
            let yours = matches!(step.act, Act::Command(_));
            if yours && !self.orders.done.contains(&step.number) {
                return Ok(Progress::Yours(step.clone()));
            }
            tell(News::Step(step));
            let (plan, number) = (&self.plan.id, step.number);
            self.store.step_begin(deadline(), plan, number, &step.title).await?;
            if !self.orders.done.contains(&number) {
                self.take(step, tell).await?;
            }
            self.store.step_end(deadline(), plan, number).await?;
        }
        Ok(Progress::Done)
    }

    /// The regions are still where they were when the plan was made.
    async fn is_fresh(&self) -> Result<(), ApplyError> {
        let lives = self.store.lives().await?;
        let words = |life: Option<Life>| match life {
            Some(Life { state, since }) => format!("{state} since {since}"),
            None => "unknown".to_owned(),
        };
        for (region, from) in &self.plan.from {
            let is = lives.get(region).copied();
            if is != *from {
                let (region, is, from) = (region.clone(), words(is), words(*from));
                return Err(ApplyError::Stale { region, is, from });
            }
        }
        Ok(())
    }

    /// Takes a step; each may be taken twice.
    async fn take(&self, step: &Step, tell: &mut impl FnMut(News<'_>)) -> Result<(), ApplyError> {
        let region = self.registry.by_name(&step.region).expect("the files are the plan's");
        let deadline = Deadline::after(PATIENCE);
        match &step.act {
            // Only an operator can say that it is done.
            Act::Command(_) => Ok(()),
            Act::Sql(change) => self.change(step.number, region, change).await,
            Act::Wait(until) => self.wait(step.number, region, *until).await,
            Act::Drain => {
                self.store.drain_set(deadline, &region.name, REASON, None).await?;
                Ok(())
            }
            Act::Undrain => Ok(drain::undrain(self.store, region).await.map(drop)?),
            Act::MoveHomes => self.move_homes(step.number, region, tell).await,
            Act::MoveSeats => self.move_seats(step.number, region, tell).await,
            Act::Record(state) => Ok(self.store.life_set(deadline, &region.name, *state).await?),
        }
    }

    async fn change(
        &self,
        number: i64,
        region: RegionId,
        change: &Change,
    ) -> Result<(), ApplyError> {
        let present = self.lock.present(self.store.engine()).await?;
        if change.is_done(&present) {
            return Ok(());
        }
        if change.makes == Makes::Nothing {
            self.wait(number, region, Until::RowsGone).await?;
        }
        let why = |error: Error| crate::telemetry::chain(&error);
        let done = self.lock.run(&change.text).await;
        done.map_err(|error| ApplyError::Failed { number, why: why(error) })
    }

    async fn move_homes(
        &self,
        number: i64,
        region: RegionId,
        tell: &mut impl FnMut(News<'_>),
    ) -> Result<(), ApplyError> {
        let Some(dir) = &self.orders.keys else {
            return Err(ApplyError::NoKeys { number, region: region.name.clone() });
        };
        let failed = |why: &dyn std::error::Error| ApplyError::Failed {
            number,
            why: crate::telemetry::chain(why),
        };
        let keys = HandoverKeys::load(dir, *self.registry, region).map_err(|e| failed(&e))?;
        let mover = Mover { store: self.store.clone(), keys };
        let reason = format!("plan {}", self.plan.id);
        let moved = moving::move_homes(&mover, *self.registry, region, &reason, |tally| {
            tell(News::Moved(tally));
        });
        let tally = moved.await.map_err(|error| failed(&error))?;
        if tally.failed > 0 {
            return Err(ApplyError::Stayed { number, tally });
        }
        Ok(())
    }

    async fn move_seats(
        &self,
        number: i64,
        region: RegionId,
        tell: &mut impl FnMut(News<'_>),
    ) -> Result<(), ApplyError> {
        let catalogue = Catalogue::load()
            .map_err(|error| ApplyError::Failed { number, why: error.to_string() })?;
        let (store, registry) = (self.store, *self.registry);
        moving::move_seats(store, registry, &catalogue, region, |tally| tell(News::Moved(tally)))
            .await?;
        Ok(())
    }

    async fn wait(&self, number: i64, region: RegionId, until: Until) -> Result<(), ApplyError> {
        let deadline = Deadline::after(self.orders.wait);
        loop {
            let Some(found) = self.not_yet(region, until).await? else { return Ok(()) };
            if deadline.passed() {
                let region = region.name.clone();
                return Err(ApplyError::Waited { number, region, until, found });
            }
            self.lock.renew().await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What is in the way; nothing when it is so.
    async fn not_yet(&self, region: RegionId, until: Until) -> Result<Option<String>, ApplyError> {
        Ok(match until {
            Until::NodesJoined => {
                let joined = self.store.cluster_regions().await?;
                (!joined.contains(&region.locality)).then(|| format!("it has {joined:?}"))
            }
            Until::Ready => match drain::look(region).await {
                Seen::Open => None,
                seen => Some(format!("{region} {seen}")),
            },
            Until::NobodyWorks => match self.store.orders_leased(region).await? {
                0 => None,
                orders => Some(format!("{orders} orders are being worked on")),
            },
            Until::RowsGone => {
                // Its nodes have gone without a good-bye, or with one: no lease of theirs holds.
                self.store.relay_leases_forget(Deadline::after(PATIENCE), region).await?;
                let heir = heir(*self.registry, region);
                self.store.region_let_go(Deadline::after(PATIENCE), region, heir).await?;
                let mut left = Vec::new();
                for (table, about) in datamap::tables() {
                    if about.class != Class::Global {
                        let rows = self.store.fresh().rows_per_region(table, about.class).await?;
                        let rows = rows.get(&region.locality).copied().unwrap_or(0);
                        left.extend((rows > 0).then(|| format!("{table} {rows}")));
                    }
                }
                (!left.is_empty()).then(|| format!("rows left: {}", left.join(", ")))
            }
        })
    }
}

/// Who keeps the evidence of a region that is given up: another one of its law, else the primary.
fn heir(registry: Registry, region: RegionId) -> RegionId {
    let others = || registry.with_rows().filter(move |other| *other != region);
    let same_law = others().find(|other| other.jurisdiction == region.jurisdiction);
    let primary = || others().find(|other| other.primary);
    same_law.or_else(primary).unwrap_or(region)
}
