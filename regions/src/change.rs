//! What may change from one revision of the files to the next: a region's life goes step by step,
//! and what stands in ids and rows never changes.

use crate::file::RegionFile;
use crate::rules::{Draft, Rule};

/// Every rule that a change of the files breaks, whatever else they break.
pub(crate) fn check(before: &Draft, after: &Draft) -> Vec<Rule> {
    let mut broken = Vec::new();
    for old in &before.regions {
        match after.regions.iter().find(|new| new.name == old.name) {
            None => {
                let advice = "is gone; keep it with \"state\": \"removed\", so that its tag is \
                              never used again";
                broken.push(rule(old, advice.to_owned()));
            }
            Some(new) => broken.extend(step(old, new).into_iter().map(|advice| rule(new, advice))),
        }
    }
    for new in &after.regions {
        let known = before.regions.iter().any(|old| old.name == new.name);
        if !known && new.state != crate::State::Planned {
            let advice = format!("state begins as {} and must begin as planned", new.state);
            broken.push(rule(new, advice + "; add the file first, then take one step at a time"));
        }
    }
    broken
}

fn rule(region: &RegionFile, advice: String) -> Rule {
    Rule { file: format!("{}.json", region.name), advice }
}

/// What is wrong with a region's step.
fn step(old: &RegionFile, new: &RegionFile) -> Vec<String> {
    let mut wrong = Vec::new();
    if old.state != new.state && !old.state.next().contains(&new.state) {
        let next: Vec<String> = old.state.next().iter().map(ToString::to_string).collect();
        let may = if next.is_empty() { "stay".to_owned() } else { next.join(" or ") };
        wrong.push(format!(
            "state goes from {} to {} and may go to {may}; take one step at a time",
            old.state, new.state
        ));
    }
    for (field, before, after, stands) in [
        ("id_tag", &old.id_tag, &new.id_tag, "ids"),
        ("locality", &old.locality, &new.locality, "rows"),
    ] {
        if before != after {
            wrong.push(format!(
                "{field} goes from \"{before}\" to \"{after}\" and stands in {stands}; add another \
                 region and move the rows instead"
            ));
        }
    }
    wrong
}
