//! A revision of the region files: the shipped ones with a merge patch (RFC 7396) over them.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Writes it to a directory; `null` in the place of a file takes it away.
pub(crate) fn write(patch: &Value, dir: &Path) {
    let shipped = crate::root::repository().join("regions");
    for sub in ["", "policy"] {
        copy(&shipped.join(sub), &dir.join(sub));
    }
    for (file, patch) in patch.as_object().expect("a patch of files") {
        let path = dir.join(file);
        if patch.is_null() {
            fs::remove_file(path).unwrap();
            continue;
        }
        // A file that was not there is written as it is.
        let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        let mut json: Value = serde_json::from_str(&text).unwrap();
        merge(&mut json, patch);
        fs::write(path, json.to_string()).unwrap();
    }
}

/// The files of one folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}
