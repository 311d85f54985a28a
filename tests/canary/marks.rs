//! Markers: strings that nothing else in the world holds, in the letters that each field allows.

/// A marker and where it was put.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Which field of whom.
    pub(crate) field: String,
    /// The marker.
    pub(crate) text: String,
}

/// Letters only, as names have.
pub(crate) fn letters() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    let letters: String = bytes.iter().take(12).map(|byte| char::from(b'a' + byte % 26)).collect();
    format!("Zq{letters}")
}

/// Small letters and digits, as addresses and tokens have.
pub(crate) fn plain() -> String {
    format!("canary{}", uuid::Uuid::new_v4().simple())
}

/// Every spelling in which a marker may be written somewhere.
pub(crate) fn spellings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all = vec![
        ("as it is", text.as_bytes().to_vec()),
        ("in capitals", text.to_uppercase().into_bytes()),
        ("in small letters", text.to_lowercase().into_bytes()),
        ("in hexadecimal", hex.clone().into_bytes()),
        ("in HEXADECIMAL", hex.to_uppercase().into_bytes()),
        ("in UTF-16", wide),
    ];
    // In base64 it looks different by where it begins; the ends belong to its neighbours.
    for (name, skip) in [("in base64", 0), ("in base64, one on", 1), ("in base64, two on", 2)] {
        let padded = [vec![b' '; skip], text.as_bytes().to_vec()].concat();
        let encoded = STANDARD_NO_PAD.encode(padded);
        let from = if skip == 0 { 0 } else { skip + 1 };
        all.push((name, encoded.as_bytes()[from..encoded.len() - 2].to_vec()));
    }
    all.dedup_by(|one, other| one.1 == other.1);
    all
}
