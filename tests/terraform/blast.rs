//! Blast radius: what each step of a region's life changes at Route 53, as a reviewed list.
//!
//! A change that is not on the list fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::records::{HealthCheck, Record, World};
use crate::revision;
use crate::root::{Root, repository};

/// Changes of one kind beyond which a list counts them instead.
const LISTED_MAX: usize = 12;

/// The address of each resource that changes, and how.
type Changes = BTreeMap<String, &'static str>;

/// The steps, each from one revision of the files to the next.
fn steps() -> Vec<(&'static str, Value, Value)> {
    let us = |patch: Value| json!({ "us-east.json": patch });
    let drained = |state: &str| {
        // Somebody else has its claims by now, and nobody is at home there.
        json!({
            "us-east.json": { "state": state, "dns": { "continents": [] } },
            "eu-west.json": { "dns": { "continents": ["AF", "NA", "SA"] } },
        })
    };
    vec![
        ("drain", json!({}), us(json!({ "state": "draining" }))),
        ("undrain", us(json!({ "state": "draining" })), json!({})),
        ("shift", us(json!({ "dns": { "weight": 1 } })), us(json!({ "dns": { "weight": 50 } }))),
        ("add_file", json!({}), sydney("planned")),
        ("add", sydney("joining"), sydney("active")),
        ("remove", drained("draining"), drained("drained")),
    ]
}

/// A fifth region that takes one in a hundred.
fn sydney(state: &str) -> Value {
    let path = repository().join("regions/ap-southeast.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    revision::merge(
        &mut file,
        &json!({
            "name": "ap-south", "id_tag": "aps2", "locality": "ap-south", "state": state,
            "coordinates": { "latitude": -33.87, "longitude": 151.21 }, "homes": [],
            "dns": { "continents": [], "weight": 1 },
            "network": { "cidr": "10.49.0.0/16" },
            "endpoints": {
                "api": "https://ap-south.api.meridian.example",
                "ipv4": ["203.0.113.20"], "ipv6": ["2001:db8:a052::10"],
            },
        }),
    );
    json!({ "ap-south.json": file })
}

/// What differs between two sets of things by their keys.
fn differ<T: PartialEq>(
    resource: impl Fn(&T) -> &'static str,
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    changes: &mut Changes,
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (how, it) = match (before.get(key), after.get(key)) {
            (Some(it), None) => ("delete", it),
            (None, Some(it)) => ("create", it),
            (Some(before), Some(after)) if before != after => ("update", after),
            _ => continue,
        };
        changes.insert(format!("module.dns.{}[\"{key}\"]", resource(it)), how);
    }
}

/// The dns module makes one resource of each record and of each health check.
fn changes(before: &World, after: &World) -> Changes {
    let mut changes = Changes::new();
    let (was, is): (&BTreeMap<String, Record>, _) = (&before.records, &after.records);
    let layer = |record: &Record| match (&record.alias, &record.country, &record.continent) {
        (None, ..) => "aws_route53_record.leaf",
        (_, None, None) => "aws_route53_record.step",
        _ if record.name.contains(".where.") => "aws_route53_record.place",
        _ => "aws_route53_record.host",
    };
    differ(layer, was, is, &mut changes);
    let (was, is): (&BTreeMap<String, HealthCheck>, _) =
        (&before.health_checks, &after.health_checks);
    differ(|_| "aws_route53_health_check.this", was, is, &mut changes);
    changes
}

/// The kind of a change: the same for every country, and for every order of regions.
fn kind(address: &str) -> String {
    let resource = address.split("[\"").next().unwrap_or(address);
    let key = address.split('"').nth(1).unwrap_or_default();
    let (name, rest) = key.split_once(' ').unwrap_or((key, ""));
    let steering = name.ends_with(".steer.meridian.example");
    let name = match name.split_once('.') {
        Some((step, _)) if steering => format!("{step}.*.steer"),
        _ => name.to_owned(),
    };
    let rtype = rest.split(' ').next().unwrap_or_default();
    format!("{resource} {name} {rtype}").trim_end().to_owned()
}

/// One line a change, or one a kind where there are many.
fn list(changes: &Changes) -> String {
    let mut kinds: BTreeMap<(&str, String), Vec<&String>> = BTreeMap::new();
    for (address, how) in changes {
        kinds.entry((how, kind(address))).or_default().push(address);
    }
    let mut text = String::new();
    for ((how, kind), addresses) in kinds {
        if addresses.len() > LISTED_MAX {
            writeln!(text, "{how} {kind}: {} of them", addresses.len()).unwrap();
        } else {
            for address in addresses {
                writeln!(text, "{how} {address}").unwrap();
            }
        }
    }
    if text.is_empty() { "nothing\n".to_owned() } else { text }
}

#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn each_step_changes_what_its_list_says_and_nothing_else() {
    for mode in ["exact", "native"] {
        for (step, before, after) in steps() {
            let (before, after) = (World::in_mode(mode, &before), World::in_mode(mode, &after));
            insta::assert_snapshot!(format!("{step}_{mode}"), list(&changes(&before, &after)));
        }
    }
}

/// The registry and the dns module in front of a provider.
const ROOT: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" { region = "eu-central-1" }
module "registry" {
  source         = "REPOSITORY/terraform/modules/registry"
  regions_dir    = "${path.module}/regions"
  countries_file = "REPOSITORY/geo-routing/data/countries.csv"
  zone           = "meridian.example"
  mode           = "native"
}
module "dns" {
  source        = "REPOSITORY/terraform/modules/dns"
  zone          = "meridian.example"
  records       = module.registry.records
  health_checks = module.registry.health_checks
}
"#;

/// What a plan of Terraform would change.
fn planned(root: &Root) -> Changes {
    root.run(&["plan", "-no-color", "-input=false", "-out=next"]);
    let plan: Value = serde_json::from_slice(&root.run(&["show", "-json", "next"])).unwrap();
    let mut changes = Changes::new();
    for resource in plan["resource_changes"].as_array().unwrap() {
        let how = match resource["change"]["actions"][0].as_str().unwrap() {
            "no-op" | "read" => continue,
            "create" => "create",
            "update" => "update",
            "delete" => "delete",
            other => panic!("no step does that: {other}"),
        };
        let address = resource["address"].as_str().unwrap();
        if address.starts_with("module.dns.") {
            changes.insert(address.to_owned(), how);
        }
    }
    changes
}

#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn terraform_plans_exactly_what_the_registry_changes() {
    let root = Root::with_providers(ROOT);
    let write = |patch: &Value| {
        let _ = fs::remove_dir_all(root.dir.join("regions"));
        revision::write(patch, &root.dir.join("regions"));
    };
    write(&json!({}));
    root.run(&["init", "-no-color"]);
    for (step, before, after) in steps() {
        write(&before);
        root.run(&["apply", "-auto-approve", "-no-color", "-input=false"]);
        write(&after);
        let (was, is) = (World::in_mode("native", &before), World::in_mode("native", &after));
        assert_eq!(planned(&root), changes(&was, &is), "{step}");
        let again = root.try_run(&["apply", "-auto-approve", "-no-color", "next"]);
        assert!(again.status.success(), "{step}: {}", String::from_utf8_lossy(&again.stderr));
        let settled = root.try_run(&["plan", "-no-color", "-input=false", "-detailed-exitcode"]);
        assert_eq!(settled.status.code(), Some(0), "{step}: a second plan changes nothing");
    }
}

/// Two hosts' worth of records: everybody goes by way of `old`, or by way of `new`.
const TURNED: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" { region = "eu-central-1" }
variable "way" { type = string }
module "dns" {
  source        = "REPOSITORY/terraform/modules/dns"
  zone          = "meridian.example"
  health_checks = {}
  records = {
    value = {
      name = "r0.${var.way}.meridian.example", type = "A", ttl = 30, values = ["192.0.2.1"]
    }
    go = {
      name = "go.${var.way}.meridian.example", type = "A", set_identifier = "ready"
      failover = "PRIMARY", alias = "r0.${var.way}.meridian.example", evaluate = true
    }
    host = {
      name = "api.meridian.example", type = "A", set_identifier = "default", country = "*"
      alias = "go.${var.way}.meridian.example", evaluate = false
    }
  }
}
"#;

#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn nobody_is_ever_led_to_a_record_that_is_gone_or_not_there_yet() {
    // Keys that differ with the way: a chain goes and another comes.
    let text = TURNED.replace("    value = {", "    \"value ${var.way}\" = {");
    let root = Root::with_providers(&text.replace("    go = {", "    \"go ${var.way}\" = {"));
    root.run(&["init", "-no-color"]);
    let apply = |way: &str| {
        let way = format!("-var=way={way}");
        let said = root.run(&["apply", "-auto-approve", "-no-color", "-input=false", &way]);
        String::from_utf8(said).unwrap()
    };
    apply("old");
    let said = apply("new");
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what} in {said}"));
    let value = at(r#"leaf["value new"]: Creation complete"#);
    let go = at(r#"step["go new"]: Creating..."#);
    let went = at(r#"step["go new"]: Creation complete"#);
    let host = at(r#"host["host"]: Modifying..."#);
    let turned = at(r#"host["host"]: Modifications complete"#);
    let old_go = at(r#"step["go old"]: Destroying..."#);
    let old_went = at(r#"step["go old"]: Destruction complete"#);
    let old_value = at(r#"leaf["value old"]: Destroying..."#);
    let order = [value, go, went, host, turned, old_go, old_went, old_value];
    assert!(order.is_sorted(), "{order:?} in {said}");
}
