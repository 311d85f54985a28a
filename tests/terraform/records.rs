//! The records of a revision of the region files, out of a real Terraform.

use std::collections::BTreeMap;

use meridian_regions::Registry;
use serde::Deserialize;
use serde_json::Value;

use crate::one_truth::Shares;
use crate::revision;
use crate::root::Root;

/// A record set as Terraform computes it; what is null does not apply.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) rtype: String,
    pub(crate) set_identifier: Option<String>,
    pub(crate) values: Option<Vec<String>>,
    pub(crate) alias: Option<String>,
    pub(crate) evaluate: Option<bool>,
    pub(crate) weight: Option<u32>,
    pub(crate) failover: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) continent: Option<String>,
    pub(crate) health: Option<String>,
    /// What is not looked at one by one.
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Value>,
}

/// What Route 53 asks a region.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) region: String,
    pub(crate) path: String,
    pub(crate) forced_sick: bool,
    pub(crate) fqdn: String,
}

/// A revision of the files and what Terraform makes of it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) health_checks: BTreeMap<String, HealthCheck>,
}

impl World {
    /// What Terraform makes of the shipped files with a merge patch over them.
    pub(crate) fn of(patch: &Value) -> Self {
        Self::in_mode("exact", patch)
    }

    /// The same with Route 53's own way of steering, or ours.
    pub(crate) fn in_mode(mode: &str, patch: &Value) -> Self {
        let root = Root::new(ROOT);
        revision::write(patch, &root.dir.join("regions"));
        root.run(&["init", "-no-color"]);
        root.run(&["apply", "-auto-approve", "-no-color", &format!("-var=mode={mode}")]);
        let outputs: Outputs = serde_json::from_slice(&root.run(&["output", "-json"])).unwrap();
        let registry = Registry::from_dir(&root.dir.join("regions")).unwrap();
        let (records, health_checks) = (outputs.records.value, outputs.health_checks.value);
        Self { registry, records, health_checks }
    }

    /// Whose addresses these are.
    pub(crate) fn regions_of(&self, answer: BTreeMap<Vec<String>, f64>) -> Shares {
        let mut shares = Shares::new();
        for (values, part) in answer {
            let found = self.registry.all().find(|region| {
                let (v4, v6) = (&region.endpoints.ipv4, &region.endpoints.ipv6);
                let texts = |all: Vec<String>| all == values;
                texts(v4.iter().map(ToString::to_string).collect())
                    || texts(v6.iter().map(ToString::to_string).collect())
            });
            let name = found.map_or_else(|| values.join(" "), |region| region.name.clone());
            *shares.entry(name).or_default() += part;
        }
        shares
    }
}

#[derive(Deserialize)]
struct Output<T> {
    value: T,
}

#[derive(Deserialize)]
struct Outputs {
    records: Output<BTreeMap<String, Record>>,
    health_checks: Output<BTreeMap<String, HealthCheck>>,
}

/// A root that only calls the registry.
const ROOT: &str = r#"
variable "mode" { type = string }
module "registry" {
  source         = "REPOSITORY/terraform/modules/registry"
  regions_dir    = "${path.module}/regions"
  countries_file = "REPOSITORY/geo-routing/data/countries.csv"
  zone           = "meridian.example"
  mode           = var.mode
}
output "records" { value = module.registry.records }
output "health_checks" { value = module.registry.health_checks }
"#;
