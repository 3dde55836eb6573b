//! Programs that verify signatures, in the languages of receivers, for the secret of an endpoint.
//!
//! They read the secret from the variable `WEBHOOK_SECRET`, so that it need not be in the code. A `whsec_` secret has
//! a key of its own, which the libraries of Standard Webhooks know; the key of any other secret is its text. Signatures
//! of a key pair are verified with its public key, in `WEBHOOK_PUBLIC_KEY`, which few of these libraries know.

use std::borrow::Cow;

use crate::domain::secret::{Secret, SecretType};

/// A program that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    /// A name for ids of elements.
    pub(super) id: &'static str,
    /// The language, for people.
    pub(super) language: &'static str,
    pub(super) code: Cow<'static, str>,
}

/// The program of a language for each kind of secret.
struct Language {
    id: &'static str,
    name: &'static str,
    for_whsec: Code,
    for_text: Code,
    /// `None` if the language has no short one.
    for_key_pair: Option<Code>,
}

/// The text of a program.
enum Code {
    Whole(&'static str),
    /// A program, and the expression in it that gives the key.
    WithKey(&'static str, &'static str),
}

use Code::{Whole, WithKey};

static LANGUAGES: [Language; 7] = [
    Language {
        id: "node",
        name: "Node.js",
        for_whsec: Whole(include_str!("snippets/node_library.txt")),
        for_text: Whole(include_str!("snippets/node_text.txt")),
        for_key_pair: Some(Whole(include_str!("snippets/node_ed25519.txt"))),
    },
    Language {
        id: "python",
        name: "Python",
        for_whsec: Whole(include_str!("snippets/python_library.txt")),
        for_text: Whole(include_str!("snippets/python_text.txt")),
        for_key_pair: Some(Whole(include_str!("snippets/python_ed25519.txt"))),
    },
    Language {
        id: "go",
        name: "Go",
        for_whsec: WithKey(
            include_str!("snippets/go.txt"),
            "base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv(\"WEBHOOK_SECRET\"), \"whsec_\"))",
        ),
        for_text: WithKey(
            include_str!("snippets/go.txt"),
            "[]byte(os.Getenv(\"WEBHOOK_SECRET\")), error(nil)",
        ),
        for_key_pair: Some(Whole(include_str!("snippets/go_ed25519.txt"))),
    },
    Language {
        id: "rust",
        name: "Rust",
        for_whsec: Whole(include_str!("snippets/rust_library.txt")),
        for_text: Whole(include_str!("snippets/rust_text.txt")),
        for_key_pair: Some(Whole(include_str!("snippets/rust_ed25519.txt"))),
    },
    Language {
        id: "php",
        name: "PHP",
        for_whsec: WithKey(
            include_str!("snippets/php.txt"),
            "base64_decode(substr((string) getenv('WEBHOOK_SECRET'), strlen('whsec_')), true)",
        ),
        for_text: WithKey(include_str!("snippets/php.txt"), "getenv('WEBHOOK_SECRET')"),
        for_key_pair: Some(Whole(include_str!("snippets/php_ed25519.txt"))),
    },
    Language {
        id: "ruby",
        name: "Ruby",
        for_whsec: WithKey(
            include_str!("snippets/ruby.txt"),
            "ENV.fetch(\"WEBHOOK_SECRET\").delete_prefix(\"whsec_\").unpack1(\"m0\")",
        ),
        for_text: WithKey(
            include_str!("snippets/ruby.txt"),
            "ENV.fetch(\"WEBHOOK_SECRET\")",
        ),
        for_key_pair: None,
    },
    Language {
        id: "openssl",
        name: "openssl",
        for_whsec: WithKey(
            include_str!("snippets/openssl.txt"),
            "printf %s \"${WEBHOOK_SECRET#whsec_}\" | base64 -d",
        ),
        for_text: WithKey(
            include_str!("snippets/openssl.txt"),
            "printf %s \"$WEBHOOK_SECRET\"",
        ),
        for_key_pair: None,
    },
];

impl Code {
    fn text(&self) -> Cow<'static, str> {
        match self {
            Whole(text) => Cow::Borrowed(text),
            WithKey(text, key) => Cow::Owned(text.replace("@KEY@", key)),
        }
    }
}

/// Returns a program for each language that has one for this kind of secret.
pub(super) fn snippets(secret: &Secret) -> Vec<Snippet> {
    let is_whsec = secret.decoded_key().is_some();
    let snippet = |language: &Language| {
        let code = match secret.secret_type() {
            SecretType::Ed25519 => language.for_key_pair.as_ref()?,
            SecretType::Hmac if is_whsec => &language.for_whsec,
            SecretType::Hmac => &language.for_text,
        };
        Some(Snippet {
            id: language.id,
            language: language.name,
            code: code.text(),
        })
    };
    LANGUAGES.iter().filter_map(snippet).collect()
}

/// Returns the line of a shell that sets the variable with the secret or the public key.
pub(super) fn export_line(secret: &Secret) -> String {
    let variable = match secret.secret_type() {
        SecretType::Hmac => "WEBHOOK_SECRET",
        SecretType::Ed25519 => "WEBHOOK_PUBLIC_KEY",
    };
    // A quote ends the quoted text, is quoted by itself, and begins it anew.
    let quoted = secret.shown().replace('\'', r"'\''");
    format!("export {variable}='{quoted}'")
}

#[cfg(test)]
mod tests;
