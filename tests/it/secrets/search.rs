//! The search for credentials in an output, whole or in part, plain or encoded.

use std::collections::HashMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// So much of a credential, in any form, is a find. Less may be chance, and helps nobody.
const WINDOW: usize = 12;

/// The prefixes of credentials, which are not secret.
const PREFIXES: [&str; 4] = ["hookpost_wat_", "hookpost_adm_", "whsec_", "whsk_"];

/// Credentials to look for.
#[derive(Default)]
pub(super) struct Credentials {
    /// Every [`WINDOW`] bytes of every form, in lower case, and which it is of.
    windows: HashMap<[u8; WINDOW], String>,
}

impl Credentials {
    pub(super) fn add(&mut self, credential: &str) {
        let bare = PREFIXES
            .iter()
            .find_map(|prefix| credential.strip_prefix(prefix))
            .unwrap_or(credential);
        let mut forms = vec![
            ("text", bare.to_owned()),
            ("percent-encoded", percent_encoded(bare)),
        ];
        for (what, bytes) in [
            ("text", credential.as_bytes()),
            ("bare text", bare.as_bytes()),
        ] {
            forms.extend(encodings(what, bytes));
        }
        let decoded = STANDARD
            .decode(bare)
            .or_else(|_| URL_SAFE.decode(format!("{bare}==")));
        if let Ok(key) = decoded.or_else(|_| URL_SAFE.decode(bare)) {
            forms.extend(encodings("key", &key));
        }
        for (what, form) in forms {
            for window in form.to_ascii_lowercase().as_bytes().windows(WINDOW) {
                self.windows
                    .entry(window.try_into().unwrap())
                    .or_insert_with(|| format!("{what} of {credential}: {form}"));
            }
        }
    }

    /// Returns the credentials that `said` contains, with the text around each.
    pub(super) fn found_in(&self, said: &[u8]) -> Vec<String> {
        let said = said.to_ascii_lowercase();
        let mut found: Vec<(&str, String)> = Vec::new();
        for (at, window) in said.windows(WINDOW).enumerate() {
            let window: [u8; WINDOW] = window.try_into().unwrap();
            let Some(what) = self.windows.get(&window) else {
                continue;
            };
            if !found.iter().any(|(known, _)| known == what) {
                let around = &said[at.saturating_sub(120)..said.len().min(at + 80)];
                let around = String::from_utf8_lossy(around).into_owned();
                found.push((what, around));
            }
        }
        found
            .into_iter()
            .map(|(what, around)| format!("{what}\n    in …{around}…"))
            .collect()
    }
}

/// Returns the usual encodings of bytes. Base64 without padding is the beginning of base64 with padding.
fn encodings(what: &'static str, bytes: &[u8]) -> Vec<(&'static str, String)> {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    vec![
        (what, STANDARD.encode(bytes)),
        (what, URL_SAFE.encode(bytes)),
        (what, hex),
        (what, format!("{bytes:?}")),
    ]
}

fn percent_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
