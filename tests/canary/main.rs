//! Canaries: travellers of every jurisdiction, with markers of their own in every personal field,
//! sign up, search, book, change, are told by webhooks, make mistakes, and their nodes are killed
//! and started again. Then everything that the house wrote is searched for the markers: tables,
//! data files and write-ahead log, logs, metrics, the name server's log, traffic, temporary files.
//! No marker is found anywhere in the clear; none is anywhere after erasure, nor in a backup from
//! before it that was restored and told whom to forget. The same search must find one planted leak
//! of each kind.
//!
//! `cargo test --test canary`, or `make canary`. Exit code 1: a marker was found, or a planted leak
//! was not. The last line is JSON.

#![expect(clippy::unwrap_used, reason = "a proof that cannot go on should stop loudly")]

mod house;
mod marks;
mod people;
mod places;
#[path = "../life/process.rs"]
#[expect(dead_code, reason = "the proof of a region's life needs more of it")]
mod process;

use std::process::ExitCode;

use serde_json::json;

use crate::house::House;
use crate::marks::Mark;
use crate::people::Person;
use crate::places::{Hit, Place, search};

/// What a search came to, in words.
fn tell(title: &str, places: &[Place], hits: &[Hit]) {
    println!("{title}: {} places, {} hits", places.len(), hits.len());
    for hit in hits.iter().take(20) {
        println!("           {} in {} ({})", hit.mark, hit.place, hit.spelling);
    }
}

async fn run() -> bool {
    let mut house = House::build().await;
    let people = people::live(&mut house).await;
    let marks: Vec<Mark> = people.iter().flat_map(Person::marks).collect();
    println!("{} travellers, {} markers", people.len(), marks.len());
    assert!(marks.len() >= 30, "too few markers to say anything");
    // The search is tried first on what must hold them: everybody's own copy of their data.
    let copies: Vec<Place> = people.iter().map(Person::own_copy).collect();
    let told = search(&copies, &marks);
    assert!(told.len() >= 5 * people.len(), "the search does not see what is there");

    let alive = house.places().await;
    let leaks = search(&alive, &marks);
    tell("while they live", &alive, &leaks);

    let (planted, found) = house.plant(&marks).await;
    println!("planted: {planted} leaks, {found} found");

    let backup = house.back_up().await;
    for person in &people {
        person.erase(&house).await;
    }
    house.settle().await;
    let after = house.places().await;
    let mut left = search(&after, &marks);
    tell("after erasure", &after, &left);
    let restored = house.restore(&backup, people.len()).await;
    let again = search(&restored, &marks);
    tell("in the restored backup", &restored, &again);
    left.extend(again);
    let opened = house.opens(&people).await;
    println!("sealed values that still open: {opened}");

    let sound = leaks.is_empty() && left.is_empty() && opened == 0 && found == planted;
    println!(
        "{}",
        json!({
            "markers": marks.len(), "places_searched": alive.len() + after.len() + restored.len(),
            "leaks": leaks.len(), "planted": planted, "planted_found": found,
            "after_erasure": left.len() + opened,
        })
    );
    house.close(!sound).await;
    sound
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("another TLS provider was there first");
    }
    match runtime.block_on(run()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
