//! One run of one seed: a time of chaos, then rest, then perhaps the years after it.

use meridian::domain::order::State;

use crate::Mutation;
use crate::chance::Chance;
use crate::companies::{Companies, Line, Temper};
use crate::invariants::{always, at_rest, is_at_rest};
use crate::node::{Around, Mind, Node};
use crate::traveller::{self, Act};
use crate::world::{self, Commits, Event, World, Write};

/// When every run begins: an instant like any other.
const START: i64 = 1_750_000_000_000;
const MINUTE: i64 = 60 * 1000;
/// Steps after which an order that does not come to rest is stuck.
const DRAIN_MAX: usize = 50_000;

/// A run.
pub(crate) struct Trial {
    pub(crate) world: World,
    companies: Companies,
    nodes: Vec<Node>,
    chance: Chance,
    wish: Option<Act>,
    seen: usize,
    tries: u64,
}

impl Trial {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>, traced: bool) -> Self {
        let mut chance = Chance::of(seed, 0);
        let row = traveller::order(START, START + 10_000, &mut chance);
        let first = Event { seq: 0, trigger: None, state: State::Pending, kind: "order.requested" };
        let rough = *chance.one(&[0, 3, 8]);
        let commits = Commits { abort: rough, lie: rough, lose: rough / 2, late: rough };
        let rough = *chance.one(&[0, 4, 12]);
        let line = Line { untried: rough, lost: rough, late: rough / 2, unheard: rough };
        let temper = Temper {
            refuse: *chance.one(&[0, 5, 15, 30]),
            refuse_capture: *chance.one(&[0, 0, 20, 100]),
            refuse_tickets: *chance.one(&[0, 0, 0, 20, 100]),
            refuse_cancel: *chance.one(&[0, 0, 20, 100]),
            ask_cardholder: *chance.one(&[0, 10, 50]),
            slow: *chance.one(&[0, 10, 40]),
            reschedule: *chance.one(&[0, 50]),
        };
        let nodes = vec![Node::new(); 2 + chance.below(3)];
        let world = World {
            now: START,
            row,
            events: vec![first],
            late: Vec::new(),
            commits,
            mutation,
            alarms: Vec::new(),
            trace: traced.then(Vec::new),
        };
        let mut companies = Companies::default();
        (companies.line, companies.temper) = (line, temper);
        Self { world, companies, nodes, chance, wish: None, seen: 1, tries: 0 }
    }

    /// Runs it to its end, or to the first thing that does not hold.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        for node in 0..usize::from(self.chance.percent(90)) {
            // Who accepted it drives it, unless it died first.
            self.nodes[node].mind = Mind::Holds { epoch: 1 };
        }
        for _ in 0..self.chance.between(40, 400) {
            self.chaos()?;
        }
        self.calm();
        self.drain()?;
        at_rest(&self.world, &self.companies)?;
        if self.chance.percent(30) {
            self.years()?;
        }
        Ok(())
    }

    fn chaos(&mut self) -> Result<(), String> {
        self.hours();
        self.moment();
        if self.chance.percent(1) {
            self.companies.dark_until = self.world.now + self.chance.between(1, 120) * MINUTE;
        }
        if self.chance.percent(12) {
            self.traveller();
        } else {
            let node = self.chance.below(self.nodes.len());
            self.shake(node);
            self.step(node);
        }
        self.check()
    }

    /// A node loses its memory, or sleeps and wakes long after its lease.
    fn shake(&mut self, node: usize) {
        let now = self.world.now;
        if self.nodes[node].is_idle() || self.nodes[node].asleep_until > now {
            return;
        }
        if self.chance.percent(2) {
            self.world.say(|_| format!("node {node} dies"));
            self.nodes[node].mind = Mind::Idle;
        } else if self.chance.percent(3) {
            let most = *self.chance.one(&[15_000, 60_000, 40 * MINUTE]);
            self.nodes[node].asleep_until = now + self.chance.between(1_000, most);
            self.world.say(|_| format!("node {node} sleeps"));
        }
    }

    fn step(&mut self, node: usize) {
        if self.nodes[node].asleep_until > self.world.now {
            return;
        }
        let Self { world, companies, chance, tries, nodes, .. } = self;
        nodes[node].step(&mut Around { world, companies, chance, tries });
    }

    /// Looks first, acts a moment later.
    fn traveller(&mut self) {
        let Some(act) = self.wish.take() else {
            self.wish = traveller::wish(&self.world.row, self.world.now, &mut self.chance);
            return;
        };
        self.world.say(|_| format!("traveller: {:?} on version {}", act.trigger, act.version));
        let heard = self.world.commit(&Write::Act(act), &mut self.chance);
        let node = self.chance.below(self.nodes.len());
        // Handed over in memory, so it may be lost; the lease's end finds it again.
        if let world::Heard::Written(epoch) = heard
            && self.nodes[node].is_idle()
        {
            self.nodes[node].mind = Mind::Holds { epoch };
        }
    }

    /// Some time passes, mostly little.
    fn moment(&mut self) {
        let most = *self.chance.one(&[5, 50, 200, 200, 1_000, 5_000]);
        self.world.now += self.chance.between(0, most);
        self.happen();
    }

    fn happen(&mut self) {
        self.world.land();
        self.companies.pass(self.world.now, &mut self.chance);
    }

    /// Much time passes: nobody has anything to do, or every node of the region is down.
    fn hours(&mut self) {
        let now = self.world.now;
        if self.chance.percent(1) {
            let most = *self.chance.one(&[16 * MINUTE, 70 * MINUTE, 25 * 60 * MINUTE]);
            self.world.now += self.chance.between(most / 2, most);
        } else if self.nodes.iter().all(Node::is_idle) && self.chance.percent(40) {
            let at = self.world.claimable_at().unwrap_or(now);
            self.world.now = now.max(at);
        }
    }

    /// The faults stop; who slept wakes.
    fn calm(&mut self) {
        self.world.commits = Commits::default();
        self.companies.line = Line::default();
        self.companies.dark_until = 0;
        self.wish = None;
        for node in &mut self.nodes {
            node.asleep_until = 0;
        }
    }

    fn drain(&mut self) -> Result<(), String> {
        for _ in 0..DRAIN_MAX {
            let idle = self.nodes.iter().all(Node::is_idle);
            let quiet = idle && self.world.late.is_empty() && !self.companies.busy();
            if quiet && is_at_rest(&self.world) {
                return Ok(());
            }
            self.moment();
            if idle {
                let now = self.world.now;
                let at = self.world.claimable_at().unwrap_or(now + MINUTE);
                // What is at rest is not to be woken: only what is on its way is waited for.
                let at = if is_at_rest(&self.world) { now + MINUTE } else { at };
                self.world.now = now.max(at);
                self.happen();
            }
            let node = self.chance.below(self.nodes.len());
            self.step(node);
            self.check()?;
        }
        Err(format!("{} does not come to rest", self.world.row.state))
    }

    /// Nobody acts any more, and time leads on to the end.
    fn years(&mut self) -> Result<(), String> {
        for _ in 0..DRAIN_MAX {
            let idle = self.nodes.iter().all(Node::is_idle);
            let over = matches!(self.world.row.state, State::Anonymised | State::ManualReview);
            if idle && over {
                return at_rest(&self.world, &self.companies);
            }
            if idle && let Some(at) = self.world.claimable_at() {
                self.world.now = self.world.now.max(at);
            }
            self.happen();
            self.step(0);
            self.check()?;
        }
        Err(format!("{} never ends", self.world.row.state))
    }

    fn check(&mut self) -> Result<(), String> {
        let seen = std::mem::replace(&mut self.seen, self.world.events.len());
        always(&self.world, &self.companies, seen)
    }
}
