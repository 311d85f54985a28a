//! From a change of the files to the steps that make it true: pure, nothing is touched.
//!
//! A step of a region's life is a few of these, in order, each with what takes it back. What other
//! tools do stands there as the command to type; SQL is run by [`super::apply`].

use std::collections::BTreeMap;
use std::fmt;

use meridian_regions::{RegionId, Registry, State};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::moving::Leaving;
use crate::store::lifecycle::Life;
use crate::store::regions::{self, Change};

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A command of another tool.
    Command(String),
    /// A statement about the database's regions.
    Sql(Change),
    /// Waiting until something is so.
    Wait(Until),
    /// The region takes nobody new.
    Drain,
    /// It takes everybody again.
    Undrain,
    /// Its travellers whose country has another home go there.
    MoveHomes,
    /// The seats that another region claims go there.
    MoveSeats,
    /// It has got so far.
    Record(State),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The cluster has nodes in the region.
    NodesJoined,
    /// Its nodes say that they are ready.
    Ready,
    /// No node of it is working on an order.
    NobodyWorks,
    /// No row of any table is at home there.
    RowsGone,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the plan, from 1.
    pub number: i64,
    /// Which region it is about.
    pub region: String,
    /// For people.
    pub title: String,
    /// What it does.
    pub act: Act,
    /// What takes it back.
    pub undo: String,
}

/// Steps for a change of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Hash of everything below: two plans with one id are the same.
    pub id: String,
    /// Fingerprint of the files that it makes true.
    pub regions: String,
    /// Where each region was that it changes, and since when; nothing for one that is new. So the
    /// same change on another day is another plan.
    pub from: BTreeMap<String, Option<Life>>,
    /// In order.
    pub steps: Vec<Step>,
}

/// Why there is no plan. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The files skip a state.
    #[error(
        "{region} is {from} and its file says {to}; the next is {next}, so write that, apply it, \
         and go on from there"
    )]
    Skipped {
        /// The region.
        region: String,
        /// Where it is.
        from: State,
        /// Where its file wants it.
        to: State,
        /// Where it may go.
        next: String,
    },
    /// People are still at home there.
    #[error(
        "{region} still homes {countries} countries; give them to other regions of its law before \
         it is removed"
    )]
    StillHome {
        /// The region.
        region: String,
        /// How many.
        countries: usize,
    },
    /// Seats are still kept there.
    #[error("{region} still claims {claims}; give it to other regions before this one is removed")]
    StillClaims {
        /// The region.
        region: String,
        /// What.
        claims: String,
    },
    /// A file is gone.
    #[error("{0} is {1} and has no file any more; bring the file back and go on step by step")]
    NoFile(String, State),
}

/// The steps from where the regions are to what the files say.
///
/// `leaving` is what each region has that the files give to another. `database` is the name of a
/// CockroachDB database; none means PostgreSQL.
pub fn plan(
    registry: &Registry,
    lives: &BTreeMap<String, Life>,
    leaving: &BTreeMap<String, Leaving>,
    database: Option<&str>,
) -> Result<Plan, PlanError> {
    for (name, Life { state, .. }) in lives {
        if registry.by_name(name).is_none() && *state != State::Removed {
            return Err(PlanError::NoFile(name.clone(), *state));
        }
    }
    let (mut from, mut steps) = (BTreeMap::new(), Vec::new());
    for region in registry.all() {
        let life = lives.get(&region.name).copied();
        let leaving = leaving.get(&region.name).copied().unwrap_or_default();
        let mut moves = Steps { region, steps: Vec::new() };
        moves.give_away(leaving);
        let moves = moves.steps;
        if life.is_some_and(|life| life.state == region.state) {
            if !moves.is_empty() {
                from.insert(region.name.clone(), life);
                steps.extend(moves);
            }
            continue;
        }
        // What nobody has heard of yet begins at the beginning, and to be planned costs nothing.
        let is = life.map_or(State::Planned, |life| life.state);
        if is != region.state && !is.next().contains(&region.state) {
            let next: Vec<String> = is.next().iter().map(ToString::to_string).collect();
            return Err(PlanError::Skipped {
                region: region.name.clone(),
                from: is,
                to: region.state,
                next: next.join(" or "),
            });
        }
        from.insert(region.name.clone(), life);
        steps.extend(moves);
        steps.extend(step(registry, region, is, database)?);
    }
    for (number, step) in (1..).zip(&mut steps) {
        step.number = number;
    }
    let regions = registry.fingerprint().to_owned();
    let mut plan = Plan { id: String::new(), regions, from, steps };
    plan.id = plan.hash();
    Ok(plan)
}

/// The steps into a state, from the one before.
fn step(
    registry: &Registry,
    region: RegionId,
    from: State,
    database: Option<&str>,
) -> Result<Vec<Step>, PlanError> {
    let mut steps = Steps { region, steps: Vec::new() };
    match (from, region.state) {
        (_, State::Provisioning) => {
            steps.terraform_region("apply", "destroy");
        }
        (_, State::Joining) => {
            if database.is_some() {
                let title = "wait until database nodes have joined";
                steps.push(title, Act::Wait(Until::NodesJoined), "nothing to take back");
            }
            let undo = regions::remove(registry, region, database);
            for (change, undo) in
                regions::add(registry, region, database).into_iter().zip(undo.into_iter().rev())
            {
                steps.push("make room in the database", Act::Sql(change), &undo.text);
            }
        }
        (State::Draining, State::Active) => {
            let undo = format!("meridian regions drain {region} --reason WHY");
            steps.push("take everybody again", Act::Undrain, &undo);
            steps.terraform_global();
        }
        (_, State::Active) => {
            let title = "wait until its nodes are ready";
            steps.push(title, Act::Wait(Until::Ready), "nothing to take back");
            steps.terraform_global();
        }
        (_, State::Draining) => {
            let undo = format!("meridian regions undrain {region}");
            steps.push("take nobody new", Act::Drain, &undo);
            steps.terraform_global();
        }
        (_, State::Drained) => {
            let title = "wait until no node of it works on an order";
            steps.push(title, Act::Wait(Until::NobodyWorks), "nothing to take back");
            let scale =
                |to: u32| format!("kubectl --context {region} scale deploy/api --replicas={to}");
            let undo = scale(region.capacity.nodes_min);
            steps.push("stop its nodes", Act::Command(scale(0)), &undo);
            let title = "forget the drain: nobody is asked any more";
            steps.push(title, Act::Undrain, "nothing to take back");
        }
        (_, State::Removing) => may_go(region)?,
        (_, State::Removed) => {
            let title = "wait until no row is at home there";
            steps.push(title, Act::Wait(Until::RowsGone), "nothing to take back");
            let undo = regions::add(registry, region, database);
            for (change, undo) in
                regions::remove(registry, region, database).into_iter().zip(undo.into_iter().rev())
            {
                steps.push("give its room in the database up", Act::Sql(change), &undo.text);
            }
            steps.terraform_global();
            steps.terraform_region("destroy", "apply");
        }
        _ => {}
    }
    steps.push("write down how far it is", Act::Record(region.state), "written with the next step");
    Ok(steps.steps)
}

/// Nobody's home and nobody's keeper may be removed.
fn may_go(region: RegionId) -> Result<(), PlanError> {
    let name = || region.name.clone();
    if !region.homes.is_empty() {
        return Err(PlanError::StillHome { region: name(), countries: region.homes.len() });
    }
    let continents = region.dns.continents.iter().map(|it| format!("continent {}", it.code()));
    let claims: Vec<String> =
        continents.chain(region.dns.default.then(|| "the default".to_owned())).collect();
    if !claims.is_empty() {
        return Err(PlanError::StillClaims { region: name(), claims: claims.join(", ") });
    }
    Ok(())
}

struct Steps {
    region: RegionId,
    steps: Vec<Step>,
}

impl Steps {
    fn push(&mut self, title: &str, act: Act, undo: &str) {
        let (region, undo) = (self.region.name.clone(), undo.to_owned());
        self.steps.push(Step { number: 0, region, title: title.to_owned(), act, undo });
    }

    fn give_away(&mut self, leaving: Leaving) {
        let back = "the same with the files before: whoever moved moves back";
        if leaving.travellers > 0 {
            let title = format!("move its travellers home: {} by now", leaving.travellers);
            self.push(&title, Act::MoveHomes, back);
        }
        if leaving.countries > 0 {
            let title = format!("move its seats: those of {} countries", leaving.countries);
            self.push(&title, Act::MoveSeats, back);
        }
    }

    fn terraform_region(&mut self, act: &str, undo: &str) {
        let name = &self.region.name;
        let root = "terraform -chdir=terraform/live/region";
        let init = format!(
            "{root} init -reconfigure -backend-config=bucket=BUCKET \
             -backend-config=region=BUCKET_REGION -backend-config=key=regions/{name}.tfstate"
        );
        let change = |act: &str| format!("{root} {act} -var region={name} -var-file={name}.tfvars");
        let (change, undo) = (change(act), change(undo));
        self.push("open the region's state", Act::Command(init), "nothing to take back");
        let title = if act == "destroy" { "take the region down" } else { "build the region" };
        self.push(title, Act::Command(change), &undo);
    }

    fn terraform_global(&mut self) {
        let command = "terraform -chdir=terraform/live/global apply";
        let undo = "the same with the files before";
        self.push("tell Route 53 for good", Act::Command(command.to_owned()), undo);
    }
}

impl Plan {
    fn hash(&self) -> String {
        let text = serde_json::to_string(&(&self.regions, &self.from, &self.steps));
        let digest = Sha256::digest(text.expect("a plan is JSON").as_bytes());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether nobody has changed it since it was made.
    pub fn is_whole(&self) -> bool {
        self.id == self.hash()
    }
}

impl Act {
    /// Whether it is done again though it was done: who came later moves, too.
    pub fn is_never_done(&self) -> bool {
        matches!(self, Self::MoveHomes | Self::MoveSeats)
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NodesJoined => "the cluster has nodes there",
            Self::Ready => "its nodes say that they are ready",
            Self::NobodyWorks => "no node of it works on an order",
            Self::RowsGone => "no row is at home there",
        })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(line) => write!(f, "$ {line}"),
            Self::Sql(change) => write!(f, "sql {}", change.text),
            Self::Wait(until) => write!(f, "wait until {until}"),
            Self::Drain => f.write_str("drain"),
            Self::Undrain => f.write_str("undrain"),
            Self::MoveHomes => f.write_str("move homes"),
            Self::MoveSeats => f.write_str("move seats"),
            Self::Record(state) => write!(f, "record {state}"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("nothing to do: every region is where its file says");
        }
        writeln!(f, "plan {}", self.id)?;
        for Step { number, region, title, act, undo } in &self.steps {
            writeln!(f, "{number:>3}  {region}: {title}\n       {act}\n       undo: {undo}")?;
        }
        write!(f, "{} steps", self.steps.len())
    }
}
