//! `meridian audit …`: each only wires rooms together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use meridian::config::{Audit, AuditRun, AuditWhat, Database};
use meridian::domain::ids::TravellerId;
use meridian::privacy::audit::{self, report, traveller};
use meridian::privacy::keys;
use meridian::store::{DatabaseUrl, Store, StoreConfig};
use meridian_evidence::bundle;
use meridian_evidence::signing::PublicKey;
use meridian_evidence::verify::{Verdict, verify};
use meridian_regions::{RegionId, Registry};

use crate::{FOUND, Outcome, print_json, say, text};

pub(crate) async fn run(registry: Registry, audit: Audit) -> Outcome {
    match audit.what {
        AuditWhat::Locality { database: Database { url }, json } => {
            locality(registry, url, json).await
        }
        AuditWhat::Run(run) => write(registry, run).await,
        AuditWhat::Verify { bundle, keys, json } => check(&bundle, &keys, json),
        AuditWhat::Traveller { id, database: Database { url }, json } => {
            show_traveller(registry, url, &id, json).await
        }
    }
}

async fn open(url: DatabaseUrl) -> Result<Store, String> {
    Store::open(&StoreConfig::new(url)).await.map_err(text)
}

fn found(violations: usize) -> ExitCode {
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

async fn locality(registry: Registry, url: DatabaseUrl, json: bool) -> Outcome {
    let store = open(url).await?;
    let report = audit::locality(&store, &registry).await.map_err(text)?;
    store.close();
    if json {
        print_json(&report)?;
    } else {
        show(&report);
    }
    Ok(found(report.violations.len()))
}

fn show(report: &audit::Report) {
    say(&format!("{}; regions {}\n", report.engine, report.regions.join(", ")));
    for table in &report.tables {
        let rows: Vec<String> = table.rows.iter().map(|(r, n)| format!("{r} {n}")).collect();
        let rows = if rows.is_empty() { "no rows".to_owned() } else { rows.join(", ") };
        let class = table.class.name();
        say(&format!("{:<19} {:<9} {:<28} {rows}", table.table, class, table.observed));
    }
    say("");
    for control in &report.controls {
        say(&format!("{} {:<14} {}", control.control, control.verdict, control.says));
    }
    say(&format!("\n{} violation(s)", report.violations.len()));
    for found in &report.violations {
        let place = format!("{} in {}", found.table, found.region);
        say(&format!("  {} {place}: {}: {}", found.control, found.what, found.why));
    }
    say("\nWhat this audit cannot see:");
    for limit in &report.limits {
        say(&format!("  {limit}"));
    }
}

async fn write(registry: Registry, run: AuditRun) -> Outcome {
    let region = registry
        .by_name(&run.signed_by)
        .ok_or_else(|| format!("--signed-by names {}, which is no region", run.signed_by))?;
    let signer = keys::evidence_key(&run.keys, region).map_err(text)?;
    let canary = match &run.canary {
        None => None,
        Some(path) => {
            let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
            let line = fs::read_to_string(path).map_err(|error| failed(&error))?;
            Some(serde_json::from_str(line.trim()).map_err(|error| failed(&error))?)
        }
    };
    let wanted = report::Wanted {
        window_days: run.window_days.into(),
        samples: run.samples.into(),
        canary,
        only: None,
    };
    let store = open(run.database.url).await?;
    let written = report::write(&store, registry, &wanted, &signer, &run.out).await;
    store.close();
    let written = written.map_err(text)?;
    if let Some(zip) = &run.zip {
        let failed = |error: std::io::Error| format!("packing {}: {error}", zip.display());
        let file = fs::File::create_new(zip).map_err(failed)?;
        bundle::zip(&run.out, std::io::BufWriter::new(file)).map_err(failed)?;
    }
    say(&format!(
        "{}: {} control(s), {} violation(s), {} records of evidence\nbundle {}\nsigned by {}",
        run.out.display(),
        written.report.controls.len(),
        written.report.violations.len(),
        written.evidence,
        written.fingerprint,
        signer.public().key_id(),
    ));
    for it in &written.report.violations {
        say(&format!("  {} {} in {}: {}", it.control, it.table, it.region, it.why));
    }
    Ok(found(written.report.violations.len()))
}

fn read_key(path: &Path) -> Result<PublicKey, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let line = fs::read_to_string(path).map_err(|error| failed(&error))?;
    PublicKey::from_text(&line).map_err(|error| failed(&error))
}

/// Checks a bundle with public keys alone.
pub(crate) fn check(bundle: &Path, keys: &[PathBuf], json: bool) -> Outcome {
    let keys: Vec<PublicKey> = keys.iter().map(|it| read_key(it)).collect::<Result<_, _>>()?;
    match verify(bundle, &keys) {
        Verdict::Sound(summary) => {
            if json {
                print_json(&serde_json::json!({ "verdict": "sound", "summary": summary }))?;
            } else {
                say(&format!(
                    "sound: {} files, {} records, {} bytes, {} checkpoints, made {} for {}, signed \
                     by {}",
                    summary.files,
                    summary.records,
                    summary.bytes,
                    summary.checkpoints,
                    summary.made_at,
                    summary.scope.join(", "),
                    summary.signed_by,
                ));
                for control in &summary.violated {
                    say(&format!("violated: {control}"));
                }
            }
            Ok(found(summary.violated.len()))
        }
        Verdict::Tampered(place) => {
            if json {
                print_json(&serde_json::json!({ "verdict": "tampered", "place": place }))?;
            } else {
                say(&format!("TAMPERED: {place}"));
            }
            Ok(ExitCode::from(FOUND))
        }
        Verdict::NotABundle(why) => Err(format!(
            "{} is no bundle: {why}; give what `meridian audit run` wrote",
            bundle.display()
        )),
    }
}

async fn show_traveller(registry: Registry, url: DatabaseUrl, id: &str, json: bool) -> Outcome {
    let id = TravellerId::parse(&registry, id)
        .ok_or("that is no id of a traveller; one looks like trv_euc1_ and 32 digits")?;
    let store = open(url).await?;
    let regions: Vec<RegionId> = registry.with_rows().collect();
    let shown = find(&store, &regions, id).await;
    store.close();
    let Some(shown) = shown? else {
        return Err("no region has a traveller of this id".to_owned());
    };
    if json {
        return print_json(&shown);
    }
    say(&format!(
        "{}: at home in {} (law: {}; copies in {})",
        shown.traveller,
        shown.home,
        shown.jurisdiction,
        shown.regions.join(", ")
    ));
    for held in &shown.held {
        let where_ = if held.at_home { "at home" } else { "AWAY FROM HOME" };
        say(&format!("  {:<18} {:>5} rows in {} ({where_})", held.table, held.rows, held.place));
    }
    for line in &shown.moves {
        let cells: Vec<&str> = line.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect();
        say(&format!("  moved: {}", cells.join(" ")));
    }
    let away = shown.held.iter().filter(|it| !it.at_home).count();
    Ok(found(away))
}

/// A traveller keeps the id of the home they were made in; they are looked for everywhere.
async fn find(
    store: &Store,
    regions: &[RegionId],
    id: TravellerId,
) -> Result<Option<traveller::Shown>, String> {
    let own = regions.iter().filter(|region| **region == id.home());
    for region in own.chain(regions.iter().filter(|region| **region != id.home())) {
        let id = TravellerId::from_parts(*region, id.uuid());
        if let Some(shown) = traveller::show(store, regions, id).await.map_err(text)? {
            return Ok(Some(shown));
        }
    }
    Ok(None)
}
