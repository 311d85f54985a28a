//! What a CockroachDB cluster says of itself, held against the law: recorded answers in the columns
//! that its documentation lists, sound ones first, and then with one leak of each kind.

use std::collections::BTreeMap;

use meridian::privacy::audit::cluster::{Answers, Cluster, ReplicaKind};
use meridian::privacy::audit::controls::Violation;
use meridian::privacy::audit::judge::judge;
use meridian_regions::Registry;

fn recorded() -> Answers {
    serde_json::from_str(include_str!("recorded/cluster.json")).unwrap()
}

fn findings(answers: &Answers) -> Vec<Violation> {
    judge(Registry::embedded().unwrap(), &Cluster::read(answers))
}

type Row = BTreeMap<String, String>;

/// The row of `SHOW RANGES` that holds a region's keys.
fn range<'a>(answers: &'a mut Answers, region: &str) -> &'a mut Row {
    let begin = answers.begins["traveller"][region].clone();
    let rows = answers.ranges.get_mut("traveller").unwrap();
    rows.iter_mut().find(|row| row["start_key"] == begin).unwrap()
}

fn zone<'a>(answers: &'a mut Answers, region: &str) -> &'a mut String {
    let rows = answers.zones.get_mut("traveller").unwrap();
    let row = rows.iter_mut().find(|row| row["partition_name"] == region).unwrap();
    row.get_mut("full_zone_config").unwrap()
}

fn replace(row: &mut Row, column: &str, from: &str, to: &str) {
    let cell = row.get_mut(column).unwrap();
    assert!(cell.contains(from), "{cell} has no {from}");
    *cell = cell.replace(from, to);
}

/// One leak, and what must be said of it: control, region, and a word of why.
fn planted(leak: impl FnOnce(&mut Answers), control: &str, region: &str, why: &str) {
    let mut answers = recorded();
    leak(&mut answers);
    let found = findings(&answers);
    let named =
        |it: &Violation| it.control == control && it.region == region && it.why.contains(why);
    assert!(found.iter().any(named), "{control} {region} {why}: {found:#?}");
}

#[test]
fn a_cluster_in_order_is_found_in_order() {
    assert_eq!(findings(&recorded()), []);
    let cluster = Cluster::read(&recorded());
    let ranges = &cluster.ranges["traveller"];
    assert_eq!(ranges.iter().filter(|range| range.home.is_none()).count(), 5, "gaps");
    let home = ranges.iter().find(|it| it.home.as_deref() == Some("eu-central")).unwrap();
    let kinds: Vec<ReplicaKind> = home.replicas.iter().map(|it| it.kind).collect();
    let voter = ReplicaKind::Voter;
    assert_eq!(kinds, [voter, voter, voter, ReplicaKind::NonVoter]);
    assert_eq!(home.replicas.iter().filter(|it| it.leads).count(), 1);
}

#[test]
fn a_copy_under_another_law_is_found_whatever_it_may_do() {
    let abroad = |column: &'static str| {
        move |answers: &mut Answers| {
            let row = range(answers, "eu-central");
            row.insert("replicas".into(), "4,5,6,10".into());
            let at = "region=eu-central,zone=a;region=eu-central,zone=b;region=eu-central,zone=c";
            row.insert("replica_localities".into(), format!("{at};region=us-east,zone=a"));
            for kind in ["voting_replicas", "non_voting_replicas", "learner_replicas"] {
                let others = if kind == "voting_replicas" { "4,5,6," } else { "" };
                let it = if kind == column { format!("{others}10") } else { others.into() };
                row.insert(kind.into(), it);
            }
        }
    };
    planted(abroad("voting_replicas"), "LOC-03", "us-east", "a voting copy of eu-central's rows");
    planted(abroad("non_voting_replicas"), "LOC-03", "us-east", "a non-voting copy");
    planted(abroad("learner_replicas"), "LOC-03", "us-east", "a learning copy");
}

#[test]
fn whoever_leads_from_abroad_is_found() {
    planted(
        |answers| {
            let row = range(answers, "eu-west");
            row.insert("lease_holder".into(), "10".into());
            row.insert("lease_holder_locality".into(), "region=us-east,zone=a".into());
        },
        "LOC-04",
        "us-east",
        "every read of eu-west's rows",
    );
}

#[test]
fn a_node_that_says_no_region_is_found() {
    planted(
        |answers| {
            let row = range(answers, "us-east");
            replace(row, "replica_localities", "region=us-east,zone=us-east-b", "rack=7");
        },
        "LOC-03",
        "nowhere that is said",
        "says no region",
    );
}

#[test]
fn zones_that_allow_too_much_are_found() {
    let widen = |answers: &mut Answers| {
        let text = zone(answers, "eu-central");
        *text = text.replace("+region=eu-west: 1", "+region=us-east: 1");
    };
    planted(widen, "LOC-05", "us-east", "may lie there");
    let voters = |answers: &mut Answers| {
        let text = zone(answers, "eu-central");
        *text = text.replace(
            "voter_constraints = '[+region=eu-central]",
            "voter_constraints = '[+region=us-east]",
        );
    };
    planted(voters, "LOC-05", "us-east", "may lie there");
    let leases = |answers: &mut Answers| {
        let text = zone(answers, "us-east");
        *text = text.replace("[[+region=us-east]]", "[[+region=ap-southeast]]");
    };
    planted(leases, "LOC-05", "ap-southeast", "may lie there");
    // As versions before 26.2 wrote them: one copy is told where to be, two may float.
    let float = |answers: &mut Answers| {
        let text = zone(answers, "us-east");
        *text = text.replace("+region=us-east: 3", "+region=us-east: 1");
    };
    planted(float, "LOC-05", "us-east", "1 of 3 copies");
    let silent = |answers: &mut Answers| {
        let text = zone(answers, "us-east");
        *text = text.replace("num_replicas = 3,", "");
    };
    planted(silent, "LOC-05", "us-east", "not said");
}

#[test]
fn keys_between_the_partitions_are_found() {
    planted(
        |answers| {
            let row = answers.ranges.get_mut("traveller").unwrap().first_mut().unwrap();
            row.insert("live_keys".into(), "3".into());
        },
        "LOC-06",
        "no region",
        "3 keys lie outside",
    );
    planted(
        |answers| {
            let row = answers.ranges.get_mut("traveller").unwrap().first_mut().unwrap();
            row.remove("live_keys");
        },
        "LOC-06",
        "no region",
        "an unknown number of keys",
    );
}

#[test]
fn regions_that_share_copies_under_two_laws_are_found() {
    planted(
        |answers| {
            answers.super_regions[1].insert("regions".into(), "eu-central,eu-west,us-east".into());
        },
        "LOC-07",
        "eu",
        "under eu and us",
    );
    planted(
        |answers| {
            drop(answers.super_regions[0].insert("regions".into(), "ap-southeast,mars".into()));
        },
        "LOC-07",
        "ap",
        "no law that is known",
    );
}

#[test]
fn partitions_that_are_missing_or_nobodys_are_found() {
    planted(
        |answers| {
            answers
                .zones
                .get_mut("traveller")
                .unwrap()
                .retain(|it| it["partition_name"] != "eu-west");
        },
        "LOC-09",
        "eu-west",
        "no partition of its own",
    );
    planted(
        |answers| {
            let row = answers.zones.get_mut("traveller").unwrap().first_mut().unwrap();
            row.insert("partition_name".into(), "mars".into());
        },
        "LOC-09",
        "mars",
        "of no region",
    );
    planted(
        |answers| {
            for cell in ["replicas", "replica_localities", "lease_holder"] {
                range(answers, "us-east").insert(cell.into(), String::new());
            }
        },
        "LOC-03",
        "us-east",
        "no copy of it was told",
    );
}
