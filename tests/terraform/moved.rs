//! No address disappears unnoticed: what a state knows under a name that the configuration no
//! longer has, the next apply destroys. A rename says so in a `moved` block, giving something up in
//! a `removed` one, or the reviewed list of addresses does not fit any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::addresses::Addresses;
use crate::revision::copy;
use crate::root::{Root, repository};

/// The list, from the root of the repository.
const LIST: &str = "tests/terraform/addresses.txt";

/// What the list says, by root.
fn listed(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut listed = BTreeMap::<_, BTreeSet<_>>::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (root, address) = line.split_once(' ').expect("a line is a root and an address");
        listed.entry(root).or_default().insert(address);
    }
    listed
}

/// What is wrong with the roots of a `terraform/`, by its list.
fn faults(terraform: &Path, list: &str) -> Vec<String> {
    let listed = listed(list);
    let mut roots: Vec<String> = fs::read_dir(terraform.join("live"))
        .unwrap()
        .map(|entry| format!("live/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    roots.extend(listed.keys().map(|root| (*root).to_owned()));
    roots.sort();
    roots.dedup();
    let mut faults = Vec::new();
    for root in roots {
        let known = listed.get(root.as_str()).cloned().unwrap_or_default();
        let dir = terraform.join(&root);
        let found = if dir.exists() { Addresses::of(&dir) } else { Addresses::default() };
        faults.extend(found.lost(&known).into_iter().map(|it| format!("lost: {root} {it}")));
        let new = found.all.iter().filter(|it| !known.contains(it.as_str()));
        faults.extend(new.map(|it| format!("new: {root} {it}")));
    }
    faults
}

#[test]
fn no_address_of_a_root_is_lost_and_each_is_listed() {
    let list = fs::read_to_string(repository().join(LIST)).unwrap();
    let faults = faults(&repository().join("terraform"), &list);
    assert!(
        faults.is_empty(),
        "What is lost would be destroyed: write a `moved` block (or `removed`) beside it. What is \
         new: add its line to {LIST}.\n{}",
        faults.join("\n")
    );
}

/// A copy of terraform/ in which something was changed; gone when it is over.
struct Copy(PathBuf);

impl Copy {
    fn with(file: &str, from: &str, to: &str, more: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("moved-{}-{number}", std::process::id()));
        let copy_of = Self(dir);
        for kind in ["modules", "live"] {
            for entry in fs::read_dir(repository().join("terraform").join(kind)).unwrap() {
                let path = entry.unwrap().path();
                copy(&path, &copy_of.0.join(kind).join(path.file_name().unwrap()));
            }
        }
        let path = copy_of.0.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}: plant something else");
        fs::write(path, text.replace(from, to) + more).unwrap();
        copy_of
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_rename_is_seen_unless_a_block_says_where_it_went() {
    let list = fs::read_to_string(repository().join(LIST)).unwrap();
    let record = |name: &str| format!("aws_route53_record.{name}");
    let zone = |name: &str| format!("aws_route53_zone.{name}");
    let no = String::new;
    let removed = "removed {\n  from = module.edge\n}\n".to_owned();
    for (what, from, to, more, lost) in [
        ("zone", "this", "all", no(), Some("module.dns.aws_route53_zone.this")),
        ("zone", "this", "all", moved(&zone("this"), &zone("all")), None),
        // A block that leads nowhere is none.
        ("zone", "this", "all", moved(&zone("this"), &zone("al")), Some("aws_route53_zone.this")),
        ("record", "host", "name", no(), Some("aws_route53_record.host[each]")),
        ("record", "host", "name", moved(&record("host"), &record("name")), None),
        ("module", "edge", "front", no(), Some("edge.aws_cloudfront_distribution.this")),
        ("module", "edge", "front", moved("module.edge", "module.front"), None),
        ("module", "edge", "front", removed, None),
    ] {
        let (file, head) = match what {
            "module" => ("live/global/main.tf", "module".to_owned()),
            _ => ("modules/dns/main.tf", format!("resource \"aws_route53_{what}\"")),
        };
        let head = |name: &str| format!("{head} \"{name}\" {{");
        let (from, to) = (head(from), head(to));
        let copy = Copy::with(file, &from, &to, &format!("\n{more}"));
        let faults = faults(&copy.0, &list);
        let found: Vec<&String> = faults.iter().filter(|it| it.starts_with("lost: ")).collect();
        match lost {
            None => assert!(found.is_empty(), "{to} {more}: {found:?}"),
            Some(it) => assert!(found.iter().any(|line| line.ends_with(it)), "{to}: {found:?}"),
        }
        assert!(faults.iter().any(|it| it.starts_with("new: ")), "{to} has to be listed");
    }
}

/// A resource of Terraform itself.
fn thing(name: &str, arguments: &str) -> String {
    format!("resource \"terraform_data\" \"{name}\" {{\n{arguments}}}\n")
}

fn part(name: &str) -> String {
    format!("module \"{name}\" {{\n  source = \"./part\"\n}}\n")
}

fn moved(from: &str, to: &str) -> String {
    format!("moved {{\n  from = {from}\n  to   = {to}\n}}\n")
}

/// A configuration before and after a change, and what the change is.
fn changes() -> Vec<(&'static str, String, String)> {
    let (a, b) = ("terraform_data.a", "terraform_data.b");
    let each = "  for_each = toset([\"x\", \"y\"])\n";
    let one = "  for_each = toset([\"x\"])\n";
    let kept =
        format!("removed {{\n  from = {a}\n\n  lifecycle {{\n    destroy = false\n  }}\n}}\n");
    let chain = moved(a, b) + &moved(b, "terraform_data.c");
    vec![
        ("a rename", thing("a", ""), thing("b", "")),
        ("a rename that says so", thing("a", ""), thing("b", "") + &moved(a, b)),
        ("two renames that say so", thing("a", ""), thing("c", "") + &chain),
        ("instances renamed", thing("a", each), thing("b", each)),
        ("instances renamed and saying so", thing("a", each), thing("b", each) + &moved(a, b)),
        ("a key where there was none", thing("a", ""), thing("a", one)),
        (
            "a key that says so",
            thing("a", ""),
            thing("a", one) + &moved(a, "terraform_data.a[\"x\"]"),
        ),
        ("a count where there was none", thing("a", ""), thing("a", "  count = 1\n")),
        ("a module renamed", part("one"), part("two")),
        ("a module that says so", part("one"), part("two") + &moved("module.one", "module.two")),
        (
            "a thing that goes into a module",
            thing("a", ""),
            part("one") + &moved(a, "module.one.terraform_data.inside"),
        ),
        (
            "a thing that leaves a module",
            part("one"),
            thing("a", "") + &moved("module.one.terraform_data.inside", a),
        ),
        ("a thing given up", thing("a", ""), String::new()),
        ("a thing forgotten", thing("a", ""), kept),
    ]
}

#[test]
#[ignore = "needs Terraform: make terraform-test"]
fn terraform_destroys_what_is_called_lost_and_nothing_else() {
    let mut kept = 0;
    for (change, before, after) in changes() {
        let root = Root::new(&before);
        fs::create_dir(root.dir.join("part")).unwrap();
        fs::write(root.dir.join("part/main.tf"), thing("inside", "")).unwrap();
        root.run(&["init", "-no-color"]);
        root.run(&["apply", "-auto-approve", "-no-color", "-input=false"]);
        let known = Addresses::of(&root.dir).all;
        fs::write(root.dir.join("main.tf"), after).unwrap();
        root.run(&["init", "-no-color"]);
        root.run(&["plan", "-no-color", "-input=false", "-out=next"]);
        let plan: Value = serde_json::from_slice(&root.run(&["show", "-json", "next"])).unwrap();
        let resources = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let is = |it: &&Value, action: &str| {
            it["change"]["actions"].as_array().unwrap().iter().any(|it| it == action)
        };
        let destroyed = resources.iter().filter(|it| is(it, "delete")).count();
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        let lost = Addresses::of(&root.dir).lost(&known);
        assert_eq!(lost.is_empty(), destroyed == 0, "{change}: {destroyed} destroyed, {lost:?}");
        kept += usize::from(destroyed == 0);
    }
    assert_eq!(kept, 9, "moved blocks that Terraform follows");
}
