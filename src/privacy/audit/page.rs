//! The report as one page that a person reads: no scripts, nothing from elsewhere.

use std::fmt::Write;
use std::io::Read;
use std::sync::LazyLock;

use askama::Template;
use meridian_regions::Registry;
use serde::Deserialize;

use super::Report;

/// Width of the map in its own units; half as high.
const WIDTH: f64 = 1000.0;

/// Half of the width, as whole units.
const HALF: i32 = 500;

/// A topology as `data/world.json.gz` has it (TopoJSON 1.0, quantised).
#[derive(Deserialize)]
struct Topology {
    arcs: Vec<Vec<[i64; 2]>>,
    transform: Transform,
}

#[derive(Deserialize)]
struct Transform {
    scale: [f64; 2],
    translate: [f64; 2],
}

/// Degrees as a place on the map: equirectangular, north up.
fn project(longitude: f64, latitude: f64) -> (f64, f64) {
    ((longitude + 180.0) / 360.0 * WIDTH, (90.0 - latitude) / 180.0 * WIDTH / 2.0)
}

/// Every coast and border as one SVG path.
pub static BORDERS: LazyLock<String> = LazyLock::new(|| {
    let packed = include_bytes!("../../../data/world.json.gz").as_slice();
    let mut text = String::new();
    let unpacked = flate2::read::GzDecoder::new(packed).read_to_string(&mut text);
    unpacked.expect("the map is part of the build");
    let world: Topology = serde_json::from_str(&text).expect("the map is part of the build");
    let Transform { scale, translate } = world.transform;
    let mut path = String::new();
    for arc in world.arcs {
        let (mut x, mut y, mut last) = (0, 0, None);
        for [dx, dy] in arc {
            (x, y) = (x + dx, y + dy);
            #[expect(clippy::cast_precision_loss, reason = "a quantised map is coarser")]
            let degrees = (x as f64 * scale[0] + translate[0], y as f64 * scale[1] + translate[1]);
            let (left, top) = project(degrees.0, degrees.1);
            #[expect(clippy::cast_possible_truncation, reason = "a map of a thousand units")]
            let place = (left.round() as i32, top.round() as i32);
            if last != Some(place) {
                // Whatever crosses the date line goes on at the other edge.
                let crosses = |it: (i32, i32)| (it.0 - place.0).abs() > HALF;
                let letter = if last.is_none_or(crosses) { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{} {}", place.0, place.1);
                last = Some(place);
            }
        }
    }
    path
});

/// A region on the map, and the rows that are at home there.
pub struct Spot {
    /// Its name.
    pub name: String,
    /// Its town.
    pub place: String,
    /// The law there.
    pub jurisdiction: String,
    /// From the left, in the map's units.
    pub x: String,
    /// From the top.
    pub y: String,
    /// Personal rows at home there.
    pub rows: i64,
    /// Findings about it.
    pub findings: usize,
}

/// The regions that hold rows, on the map.
pub fn spots(registry: Registry, rows: impl Fn(&str) -> (i64, usize)) -> Vec<Spot> {
    registry
        .with_rows()
        .map(|region| {
            let (x, y) = project(region.coordinates.longitude, region.coordinates.latitude);
            let (rows, findings) = rows(&region.locality);
            Spot {
                name: region.name.clone(),
                place: region.place.clone(),
                jurisdiction: region.jurisdiction.clone(),
                x: format!("{x:.1}"),
                y: format!("{y:.1}"),
                rows,
                findings,
            }
        })
        .collect()
}

#[derive(Template)]
#[template(path = "privacy/audit/page.html")]
struct Page<'a> {
    report: &'a Report,
    spots: Vec<Spot>,
    borders: &'a str,
    parts: &'a [(&'static str, Vec<String>)],
    kept: usize,
    violated: usize,
    unseen: usize,
}

/// The report's page. `parts` are the numbered parts after the verdicts, each with its lines.
pub fn page(registry: Registry, report: &Report, parts: &[(&'static str, Vec<String>)]) -> Vec<u8> {
    let of = |region: &str| {
        let personal = report.tables.iter().filter(|it| it.class.name() == "personal");
        let rows = personal.filter_map(|it| it.rows.get(region)).sum();
        let findings = report.violations.iter().filter(|it| it.region == region).count();
        (rows, findings)
    };
    let count = |verdict: &str| report.controls.iter().filter(|it| it.verdict == verdict).count();
    let page = Page {
        report,
        spots: spots(registry, of),
        borders: &BORDERS,
        parts,
        kept: count("kept"),
        violated: count("violated"),
        unseen: count("not_observable"),
    };
    page.render().expect("the page is part of the build").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_drawn_and_frankfurt_is_where_it_is() {
        assert!(BORDERS.len() > 20_000 && BORDERS.starts_with('M'), "{}", BORDERS.len());
        let (x, y) = project(8.68, 50.11);
        assert!((x - 524.0).abs() < 1.0 && (y - 110.8).abs() < 1.0, "{x} {y}");
    }
}
