//! One way to write a value down: JSON as RFC 8785 wants it, and without fractions, which no two
//! languages write alike. Whole numbers stay below 2^53, which every JSON reader takes.

use serde::Serialize;
use serde_json::Value;

/// Largest whole number that every JSON reader takes.
const WHOLE_MAX: u64 = (1 << 53) - 1;

/// How deep arrays and objects may lie in each other: less than every JSON reader takes.
const DEPTH_MAX: usize = 64;

/// A value that cannot be written down in one way only.
#[derive(Debug, thiserror::Error)]
#[error("this cannot be evidence: {0}")]
pub struct Malformed(pub String);

/// A value's canonical bytes.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, Malformed> {
    let value = serde_json::to_value(value).map_err(|error| Malformed(error.to_string()))?;
    check(&value, 0)?;
    serde_json_canonicalizer::to_vec(&value).map_err(|error| Malformed(error.to_string()))
}

fn check(value: &Value, depth: usize) -> Result<(), Malformed> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == DEPTH_MAX => {
            Err(Malformed(format!("its values lie deeper than {DEPTH_MAX} in each other")))
        }
        Value::Number(number) => {
            let small = number.as_u64().is_some_and(|it| it <= WHOLE_MAX)
                || number.as_i64().is_some_and(|it| it.unsigned_abs() <= WHOLE_MAX);
            match small {
                true => Ok(()),
                false => Err(Malformed(format!("{number} is no whole number below 2^53"))),
            }
        }
        Value::Array(items) => items.iter().try_for_each(|it| check(it, depth + 1)),
        Value::Object(fields) => fields.values().try_for_each(|it| check(it, depth + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        let value = json!({"b": [1, true, null], "a": "\u{e9}\n", "\u{1f600}": 0, "\u{fb33}": 1});
        let text = canonical(&value).expect("whole numbers only");
        // RFC 8785, 3.2.3: keys by UTF-16 code units, so the emoji comes before U+FB33.
        let expected = "{\"a\":\"\u{e9}\\n\",\"b\":[1,true,null],\"\u{1f600}\":0,\"\u{fb33}\":1}";
        assert_eq!(String::from_utf8(text).expect("UTF-8"), expected);
    }

    #[test]
    fn what_languages_write_differently_is_refused() {
        for value in [json!(0.5), json!([1e300]), json!({"a": 1_u64 << 53}), json!(i64::MIN)] {
            assert!(canonical(&value).is_err(), "{value}");
        }
        assert!(canonical(&json!(-5)).is_ok());
    }

    #[test]
    fn what_readers_would_choke_on_is_not_written() {
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(canonical(&nested(DEPTH_MAX)).is_ok());
        assert!(canonical(&nested(DEPTH_MAX + 1)).is_err());
    }
}
