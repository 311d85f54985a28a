//! A node: claims, reads, asks, writes, one step at a time, so that it may die or sleep between any
//! two of them. It does what `src/orders/driver.rs` does, or one thing wrong on purpose.

use std::time::Duration;

use meridian::orders::saga::{Call, Due, Heard, Learned, Next, Situation};
use meridian::suppliers::Outcome;

use crate::Mutation;
use crate::chance::Chance;
use crate::companies::{Asked, Companies};
use crate::world::{self, World, Write};

/// What a node has in memory.
#[derive(Clone, Debug)]
pub(crate) enum Mind {
    Idle,
    /// Holds the order, and is about to read it.
    Holds {
        epoch: i64,
    },
    /// Has read it, and is about to do what comes next.
    Knows {
        epoch: i64,
        order: Box<Situation>,
        locator: Option<String>,
        next: Next,
        tried: bool,
    },
    /// Has an answer in hand.
    Heard {
        epoch: i64,
        order: Box<Situation>,
        locator: Option<String>,
        call: Call,
        heard: Heard,
    },
    /// Does not know whether its step is written.
    Unsure {
        epoch: i64,
        write: Write,
        version: i64,
    },
    /// Has looked, and believes what it saw.
    Believes {
        epoch: i64,
        write: Write,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) mind: Mind,
    /// Sleeps until then.
    pub(crate) asleep_until: i64,
}

/// What a step needs of everything around a node.
pub(crate) struct Around<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) companies: &'a mut Companies,
    pub(crate) chance: &'a mut Chance,
    /// For keys that are new at every try.
    pub(crate) tries: &'a mut u64,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self { mind: Mind::Idle, asleep_until: 0 }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.mind, Mind::Idle)
    }

    pub(crate) fn step(&mut self, around: &mut Around<'_>) {
        let mind = std::mem::replace(&mut self.mind, Mind::Idle);
        self.mind = match mind {
            Mind::Idle => claim(around),
            Mind::Holds { epoch } => read(epoch, around),
            Mind::Knows { epoch, order, locator, next, tried } => match next {
                Next::Ask(call) => ask(epoch, order, locator, call, around),
                Next::Write(learned) => advance(epoch, &order, learned, around),
                Next::Wait(pause) => postpone(epoch, &order, Some(pause), tried, around),
                Next::Rest => postpone(epoch, &order, None, false, around),
            },
            Mind::Heard { epoch, order, locator, call, heard } => {
                let tried = heard != Outcome::NotTried;
                let next = order.hear(&call, heard);
                Mind::Knows { epoch, order, locator, next, tried }
            }
            Mind::Unsure { epoch, write, version } => unsure(epoch, write, version, around),
            Mind::Believes { epoch, write } => {
                around.world.commit(&write, around.chance);
                Mind::Holds { epoch }
            }
        };
    }
}

fn claim(around: &mut Around<'_>) -> Mind {
    if !around.world.claimable() {
        return Mind::Idle;
    }
    around.world.say(|row| format!("claim above epoch {}", row.epoch));
    match around.world.commit(&Write::Claim, around.chance) {
        world::Heard::Written(epoch) => Mind::Holds { epoch },
        // Nobody drives it then until the lease ends.
        _ => Mind::Idle,
    }
}

fn read(epoch: i64, around: &Around<'_>) -> Mind {
    let Some(order) = around.world.order_work(epoch) else { return Mind::Idle };
    let next = order.begin();
    let locator = around.world.row.locator.clone();
    Mind::Knows { epoch, order: Box::new(order), locator, next, tried: true }
}

fn ask(
    epoch: i64,
    order: Box<Situation>,
    locator: Option<String>,
    call: Call,
    around: &mut Around<'_>,
) -> Mind {
    let Around { world, companies, chance, tries } = around;
    let step = call.step(&order).unwrap_or_default();
    if matches!(call, Call::Authorize { .. }) && !order.paying {
        world.alarms.push("money was to be reserved without a token".into());
        return Mind::Idle;
    }
    **tries += 1;
    let closing = matches!(call, Call::CloseAuthorization { .. } | Call::CloseBooking { .. });
    let key = match (world.mutation == Some(Mutation::FreshKeys), closing) {
        (true, _) => format!("{step}#{tries}"),
        (false, true) => format!("{step}:close"),
        (false, false) => step.clone(),
    };
    let reference = match &call {
        Call::Authorization { position }
        | Call::Capture { position, .. }
        | Call::Void { position }
        | Call::Refund { position, .. } => order.payment(*position).map(|it| it.reference.clone()),
        _ => None,
    };
    let asked = Asked {
        call: call.clone(),
        key,
        closes: step,
        reference,
        locator: locator.clone(),
        total: order.total.amount_minor,
    };
    let heard = companies.ask(&asked, world.now, chance);
    world.say(|_| format!("epoch {epoch} asks {} as {}: {heard:?}", call.name(), asked.key));
    Mind::Heard { epoch, order, locator, call, heard }
}

fn advance(epoch: i64, order: &Situation, learned: Box<Learned>, around: &mut Around<'_>) -> Mind {
    let mut learned = learned;
    if let (true, Due::After(pause)) = (learned.refused, learned.due) {
        learned.due = Due::After(around.chance.spread(pause));
    }
    let goes_on = learned.due == Due::Now;
    let version = order.version;
    let write = Write::Advance { epoch, version, learned, blind: false };
    around.world.say(|_| format!("epoch {epoch} writes on version {version}"));
    match around.world.commit(&write, around.chance) {
        world::Heard::Written(_) if goes_on => Mind::Holds { epoch },
        world::Heard::Written(_) | world::Heard::Fenced => Mind::Idle,
        world::Heard::Aborted if around.chance.percent(50) => Mind::Holds { epoch },
        world::Heard::Aborted => Mind::Idle,
        world::Heard::Unknown => Mind::Unsure { epoch, write, version },
    }
}

fn postpone(
    epoch: i64,
    order: &Situation,
    pause: Option<Duration>,
    tried: bool,
    around: &mut Around<'_>,
) -> Mind {
    let held = order.state == meridian::domain::order::State::Held;
    let pause = pause.map(|pause| if held { pause } else { around.chance.spread(pause) });
    around.world.say(|_| format!("epoch {epoch} lets go for {pause:?}"));
    around.world.commit(&Write::Postpone { epoch, pause, tried }, around.chance);
    Mind::Idle
}

/// After a COMMIT without an answer: let go, look again, or run the same fenced write again. Each
/// is right, since none takes it for written or for not written.
fn unsure(epoch: i64, write: Write, version: i64, around: &mut Around<'_>) -> Mind {
    if around.world.mutation == Some(Mutation::ReadOnlyAmbiguity) {
        let row = &around.world.row;
        // One look decides; what is still on its way is not seen by it.
        let absent = row.epoch == epoch && row.version == version;
        let Write::Advance { learned, .. } = write else { return Mind::Idle };
        let write = Write::Advance { epoch, version, learned, blind: true };
        around.world.say(|_| format!("epoch {epoch} looks: absent {absent}"));
        return if absent { Mind::Believes { epoch, write } } else { Mind::Holds { epoch } };
    }
    match around.chance.below(3) {
        0 => Mind::Idle,
        1 => Mind::Holds { epoch },
        _ => match around.world.commit(&write, around.chance) {
            world::Heard::Written(_) => Mind::Holds { epoch },
            _ => Mind::Idle,
        },
    }
}
