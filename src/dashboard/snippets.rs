//! Programs that verify signatures, in the languages of receivers, for the secret of an endpoint.
//!
//! They read the secret from the variable `WEBHOOK_SECRET`, so that it need not be in the code. A `whsec_` secret has
//! a key of its own, which the libraries of Standard Webhooks know; the key of any other secret is its text.

use std::borrow::Cow;

use crate::domain::secret::Secret;

/// A program that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    /// A name for ids of elements.
    pub(super) id: &'static str,
    /// The language, for people.
    pub(super) language: &'static str,
    pub(super) code: Cow<'static, str>,
}

/// The program of a language for each of the two kinds of keys.
struct Language {
    id: &'static str,
    name: &'static str,
    for_whsec: Code,
    for_text: Code,
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
    },
    Language {
        id: "python",
        name: "Python",
        for_whsec: Whole(include_str!("snippets/python_library.txt")),
        for_text: Whole(include_str!("snippets/python_text.txt")),
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
    },
    Language {
        id: "rust",
        name: "Rust",
        for_whsec: Whole(include_str!("snippets/rust_library.txt")),
        for_text: Whole(include_str!("snippets/rust_text.txt")),
    },
    Language {
        id: "php",
        name: "PHP",
        for_whsec: WithKey(
            include_str!("snippets/php.txt"),
            "base64_decode(substr((string) getenv('WEBHOOK_SECRET'), strlen('whsec_')), true)",
        ),
        for_text: WithKey(include_str!("snippets/php.txt"), "getenv('WEBHOOK_SECRET')"),
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

/// Returns a program for each language.
pub(super) fn snippets(secret: &Secret) -> Vec<Snippet> {
    let is_whsec = secret.decoded_key().is_some();
    let snippet = |language: &Language| {
        let code = if is_whsec {
            &language.for_whsec
        } else {
            &language.for_text
        };
        Snippet {
            id: language.id,
            language: language.name,
            code: code.text(),
        }
    };
    LANGUAGES.iter().map(snippet).collect()
}

/// Returns the line of a shell that sets the variable with the secret.
pub(super) fn export_line(secret: &Secret) -> String {
    // A quote ends the quoted text, is quoted by itself, and begins it anew.
    let quoted = secret.reveal().replace('\'', r"'\''");
    format!("export WEBHOOK_SECRET='{quoted}'")
}

#[cfg(test)]
mod tests;
