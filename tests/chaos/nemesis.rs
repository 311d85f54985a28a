//! Makes happen what the schedule says, and takes back what lasts for a while.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::figures::Figures;
use crate::fleet::{Order, Process};
use crate::house::{House, REGIONS, SUPPLIER_FAULTS};
use crate::proxy::{Link, Toxics, Weather};
use crate::schedule::{Action, Kind, To, Way};
use crate::wire::Sender;

/// How slow a slow company is: longer than a lease.
const SLOW_MS: u64 = 2500;

/// Shakes a house.
pub(crate) struct Nemesis {
    processes: Vec<Arc<Process>>,
    figures: Arc<Figures>,
    database: Arc<crate::database::Database>,
    /// What is to be taken back.
    lasting: JoinSet<()>,
}

impl Nemesis {
    /// Other companies misbehave from now on.
    pub(crate) async fn new(house: &House, figures: &Arc<Figures>) -> Self {
        let mut chance = Chance::of(house.plan.seed, 2);
        for (operation, mode, percent) in SUPPLIER_FAULTS {
            let rate = (percent * 10 + chance.next() % 11) as f64 / 1000.0;
            let fault = json!({"operation": operation, "mode": mode, "rate": rate, "ms": SLOW_MS});
            house.supplier_fault(fault).await;
        }
        Self {
            processes: house.processes.clone(),
            figures: Arc::clone(figures),
            database: Arc::clone(&house.database),
            lasting: JoinSet::new(),
        }
    }

    /// Does one thing; what takes a while goes on beside.
    pub(crate) fn act(&mut self, action: &Action) {
        while self.lasting.try_join_next().is_some() {}
        match action {
            Action::Kill { process, away } => self.kill(*process, *away),
            Action::KillRegion { region, away } => {
                for process in self.of_region(*region).filter(|it| it.is_up()) {
                    process.order(Order::Kill(*away));
                }
            }
            Action::Freeze { process, asleep } => {
                self.processes[*process].order(Order::Freeze(*asleep));
            }
            Action::CrashDatabase { away } => {
                let (database, away) = (Arc::clone(&self.database), *away);
                self.lasting.spawn(async move { database.crash(away).await });
            }
            Action::LoseCommitRequests { process, count } => {
                self.processes[*process].database.lose_commit_requests(*count);
            }
            Action::LoseCommitReplies { process, count } => {
                self.processes[*process].database.lose_commit_replies(*count);
            }
            Action::Tear { process, up, bytes } => {
                let sender = if *up { Sender::Client } else { Sender::Server };
                self.processes[*process].database.tear(sender, *bytes);
            }
            Action::Reset { process } => self.processes[*process].database.cut(true),
            Action::Weather { process, to, kind, lasts } => {
                let process = Arc::clone(&self.processes[*process]);
                self.for_a_while(vec![process], *to, weather(*kind), *lasts);
            }
            Action::Partition { region, way, lasts } => {
                let processes = self.of_region(*region).map(Arc::clone).collect();
                self.for_a_while(processes, To::Database, weather(Kind::Closed(*way)), *lasts);
            }
            Action::Swizzle { down, back, every } => self.swizzle(down, back, *every),
        }
    }

    fn of_region(&self, region: usize) -> impl Iterator<Item = &Arc<Process>> {
        self.processes.iter().filter(move |it| it.region == REGIONS[region].0)
    }

    /// Kills a process, or the next one that is up.
    fn kill(&self, process: usize, away: Duration) {
        let (before, after) = self.processes.split_at(process);
        let victim = after.iter().chain(before).find(|it| it.is_up());
        if let Some(victim) = victim {
            victim.order(Order::Kill(away));
        }
    }

    fn for_a_while(
        &mut self,
        processes: Vec<Arc<Process>>,
        to: To,
        weather: Weather,
        lasts: Duration,
    ) {
        self.lasting.spawn(async move {
            processes.iter().for_each(|it| link(it, to).set(weather));
            tokio::time::sleep(lasts).await;
            processes.iter().for_each(|it| link(it, to).set(Weather::default()));
        });
    }

    fn swizzle(&mut self, down: &[usize], back: &[usize], every: Duration) {
        let in_order = |order: &[usize]| -> Vec<Arc<Process>> {
            order.iter().map(|at| Arc::clone(&self.processes[*at])).collect()
        };
        let (down, back) = (in_order(down), in_order(back));
        self.lasting.spawn(async move {
            for (processes, weather) in
                [(down, weather(Kind::Closed(Way::Down))), (back, Weather::default())]
            {
                for process in processes {
                    process.database.set(weather);
                    tokio::time::sleep(every).await;
                }
            }
        });
    }

    /// Nothing more happens, and everything that lasted is over.
    pub(crate) async fn rest(mut self) {
        self.figures.say("everything is left alone from now on");
        while let Some(ended) = self.lasting.join_next().await {
            ended.unwrap();
        }
    }
}

fn link(process: &Process, to: To) -> &Link {
    match to {
        To::Database => &process.database,
        To::Suppliers => &process.suppliers,
    }
}

fn weather(kind: Kind) -> Weather {
    let fair = Weather::default();
    let both = |toxics: Toxics| Weather { to_server: toxics, to_client: toxics, ..fair };
    match kind {
        Kind::Closed(Way::Down) => Weather { down: true, ..fair },
        Kind::Closed(Way::HalfOpen) => both(Toxics::FROZEN),
        Kind::Closed(Way::There) => Weather { to_server: Toxics::FROZEN, ..fair },
        Kind::Closed(Way::Back) => Weather { to_client: Toxics::FROZEN, ..fair },
        Kind::Late { latency, jitter } => both(Toxics::late(latency, jitter)),
        Kind::Narrow(speed) => both(Toxics { bytes_per_second: Some(speed), ..Toxics::default() }),
        Kind::Sliced(size) => both(Toxics { slice: Some(size), ..Toxics::default() }),
        Kind::SlowClose(slow_close) => both(Toxics { slow_close, ..Toxics::default() }),
    }
}
