//! JSON as HTML: indented, with a mark around each key and value.
//!
//! The text is read token by token and never decoded, so numbers and escapes look as they were sent. Nothing is
//! nested on the stack, however deep the text is. A text that is cut off somewhere is shown as far as it goes,
//! because long payloads are not read as a whole.

use std::fmt::{self, Display, Formatter, Write};

use askama::filters::HtmlSafe;

use super::view::Escaped;

/// The most bytes of JSON that a page shows: more than a person reads.
pub(super) const SHOWN_MAX: usize = 64 << 10;

/// The most bytes of HTML for one JSON text. Deep nesting makes every line long, because of its indentation.
const HTML_MAX: usize = 1 << 20;

/// The spaces of one level.
const INDENT: usize = 2;

/// JSON as HTML for a `pre` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonText {
    html: String,
    is_cut: bool,
}

impl JsonText {
    /// Renders the first [`SHOWN_MAX`] bytes of a JSON text.
    pub(super) fn new(text: &str) -> Self {
        let shown = &text[..text.floor_char_boundary(SHOWN_MAX)];
        let mut printer = Printer {
            text: shown,
            at: 0,
            html: String::with_capacity(shown.len() * 2),
            open: Vec::new(),
            expects_key: false,
        };
        let is_whole = printer.print();
        Self {
            html: printer.html,
            is_cut: !is_whole || shown.len() < text.len(),
        }
    }

    /// Reports whether only the first part of the text is shown.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl HtmlSafe for JsonText {}

impl Display for JsonText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

struct Printer<'a> {
    text: &'a str,
    at: usize,
    html: String,
    /// The first bracket of each open array or object.
    open: Vec<u8>,
    /// Set if the next string is a key.
    expects_key: bool,
}

impl<'a> Printer<'a> {
    /// Prints all tokens. Returns false if that would take more than [`HTML_MAX`] bytes.
    fn print(&mut self) -> bool {
        while let Some(byte) = self.next() {
            if self.html.len() > HTML_MAX {
                return false;
            }
            match byte {
                b'{' | b'[' => self.enter(byte),
                b'}' | b']' => self.leave(byte),
                b',' => {
                    self.html.push(',');
                    self.at += 1;
                    self.expects_key = self.open.last() == Some(&b'{');
                    self.new_line();
                }
                b':' => {
                    self.html.push_str(": ");
                    self.at += 1;
                }
                b'"' => {
                    let string = self.string();
                    let class = if self.expects_key { "k" } else { "s" };
                    self.expects_key = false;
                    self.mark(class, string);
                }
                _ => self.word(),
            }
        }
        true
    }

    /// Skips white space, and returns the byte after it.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let space = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += space.count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Prints a first bracket; both, if nothing is between them.
    fn enter(&mut self, bracket: u8) {
        self.html.push(char::from(bracket));
        self.at += 1;
        let end = if bracket == b'{' { b'}' } else { b']' };
        if self.next() == Some(end) {
            self.html.push(char::from(end));
            self.at += 1;
            return;
        }
        self.open.push(bracket);
        self.expects_key = bracket == b'{';
        self.new_line();
    }

    fn leave(&mut self, bracket: u8) {
        self.open.pop();
        self.expects_key = false;
        self.new_line();
        self.html.push(char::from(bracket));
        self.at += 1;
    }

    fn new_line(&mut self) {
        self.html.push('\n');
        let spaces = std::iter::repeat_n(' ', INDENT * self.open.len());
        self.html.extend(spaces);
    }

    /// Returns the string that begins here, with its quotes.
    fn string(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let mut is_escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let string = &rest[..end.map_or(rest.len(), |end| end + 2)];
        self.at += string.len();
        string
    }

    /// Prints a number, `true`, `false` or `null`.
    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let is_end = |c: char| {
            matches!(c, ',' | ':' | '{' | '}' | '[' | ']' | '"') || c.is_ascii_whitespace()
        };
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        // A byte that begins no token cannot occur in JSON; it is shown like a word, so that printing goes on.
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let word = if word.is_empty() {
            &rest[..first]
        } else {
            word
        };
        self.at += word.len();
        let class = match word.as_bytes()[0] {
            b't' | b'f' => "b",
            b'n' => "z",
            _ => "n",
        };
        self.mark(class, word);
    }

    fn mark(&mut self, class: &str, text: &str) {
        // Writing into a text does not fail.
        let _ = write!(
            self.html,
            "<span class=\"{class}\">{}</span>",
            Escaped(text)
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the text that a browser shows.
    fn shown(html: &str) -> String {
        let mut text = String::new();
        for (place, part) in html.split('<').enumerate() {
            let visible = if place == 0 {
                part
            } else {
                part.split_once('>').unwrap().1
            };
            text.push_str(visible);
        }
        let entities = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ];
        for (entity, plain) in entities {
            text = text.replace(entity, plain);
        }
        text
    }

    #[test]
    fn each_kind_of_value_has_its_mark() {
        let text = r#"{"a":[1.0,-1e400,true,null,"x"],"b":{},"c":[ ]}"#;
        insta::assert_snapshot!(JsonText::new(text), @r#"
        {
          <span class="k">&quot;a&quot;</span>: [
            <span class="n">1.0</span>,
            <span class="n">-1e400</span>,
            <span class="b">true</span>,
            <span class="z">null</span>,
            <span class="s">&quot;x&quot;</span>
          ],
          <span class="k">&quot;b&quot;</span>: {},
          <span class="k">&quot;c&quot;</span>: []
        }
        "#);
    }

    #[test]
    fn markup_and_escapes_appear_as_they_were_sent() {
        let text = r#"{"</pre><script>":"\"</script>\\","n":1}"#;
        let html = JsonText::new(text).to_string();
        assert!(
            !html.contains("<script") && !html.contains("</pre"),
            "{html}"
        );
        assert_eq!(
            shown(&html),
            "{\n  \"</pre><script>\": \"\\\"</script>\\\\\",\n  \"n\": 1\n}"
        );
    }

    #[test]
    fn deep_and_long_texts_are_cut() {
        let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
        let text = JsonText::new(&deep);
        assert!(text.is_cut() && text.html.len() < 2 * HTML_MAX);
        let fits = format!("\"{}\"", "x".repeat(SHOWN_MAX - 2));
        assert!(!JsonText::new(&fits).is_cut());
        let long = format!("\"{}ä\"", "x".repeat(SHOWN_MAX - 2));
        let text = JsonText::new(&long);
        assert!(text.is_cut());
        assert!(shown(&text.html).ends_with('x'));
    }

    proptest! {
        #[test]
        fn the_shown_text_is_the_same_json(text in json()) {
            let html = JsonText::new(&text).to_string();
            let again: serde_json::Value = serde_json::from_str(&shown(&html)).unwrap();
            prop_assert_eq!(again, serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }

        #[test]
        fn no_text_makes_it_fail_or_lets_markup_through(text in ".{0,200}") {
            let html = JsonText::new(&text).to_string();
            let without = html.replace("</span>", "");
            let without = ["k", "s", "n", "b", "z"]
                .iter()
                .fold(without, |html, class| html.replace(&format!("<span class=\"{class}\">"), ""));
            prop_assert!(!without.contains('<'), "{}", html);
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".{0,12}".prop_map(Into::into),
        ];
        let value = leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::hash_map(".{0,6}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        });
        value.prop_map(|value| value.to_string())
    }
}
