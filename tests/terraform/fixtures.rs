//! Terraform refuses what the regions crate refuses, in the same words.

use std::fs;

use serde_json::Value;

use crate::revision;
use crate::root::{Root, repository};

const ROOT: &str = r#"
variable "before" {
  type    = string
  default = null
}
module "registry" {
  source         = "REPOSITORY/terraform/modules/registry"
  regions_dir    = "${path.module}/regions"
  before_dir     = var.before
  countries_file = "REPOSITORY/geo-routing/data/countries.csv"
  zone           = "meridian.example"
}
"#;

#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn every_bad_fixture_is_refused_by_terraform_with_its_own_sentence() {
    let root = Root::new(ROOT);
    root.run(&["init", "-no-color"]);
    let (regions, before) = (root.dir.join("regions"), root.dir.join("before"));
    let plan = |fixture: &Value| {
        for (dir, patch) in [(&regions, Some(&fixture["patch"])), (&before, fixture.get("base"))] {
            let _ = fs::remove_dir_all(dir);
            if let Some(patch) = patch {
                revision::write(patch, dir);
            }
        }
        let base = format!("-var=before={}", before.display());
        let mut args = vec!["plan", "-no-color", "-input=false"];
        args.extend(fixture.get("base").map(|_| base.as_str()));
        let output = root.try_run(&args);
        // Terraform breaks lines where it likes.
        let said = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = said.split_whitespace().filter(|word| *word != "│").collect();
        (output.status.success(), words.join(" "))
    };
    let (success, said) = plan(&serde_json::json!({ "patch": {}, "base": {} }));
    assert!(success, "the shipped regions: {said}");
    let mut tried = 0;
    for entry in fs::read_dir(repository().join("regions/tests/bad")).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let (success, said) = plan(&fixture);
        let says = fixture["says"].as_str().unwrap();
        assert!(!success, "{} was accepted", path.display());
        assert!(said.contains(says), "{}: said {said}", path.display());
        tried += 1;
    }
    assert!(tried >= 39, "only {tried} fixtures were found");
}
