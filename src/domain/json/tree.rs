//! A text that is read once, so that any value in it is found without reading the text again.

use super::value::{Kind, Member, Value};

/// The places of all values of a checked text. It holds numbers and not the text, so that it can be kept beside the
/// text. Each value takes 24 bytes.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The values in the order in which they start.
    entries: Vec<Entry>,
}

/// The place of a value.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The key with its quotes; empty if the value is no member of an object.
    key: Span,
    value: Span,
    /// The number of the first entry that is not in this value.
    next: u32,
    kind: Kind,
    /// True if the key is not written as it is read.
    has_key_escape: bool,
}

/// Bytes of the text: from the first number to the one before the second.
#[derive(Clone, Copy, Debug, Default)]
struct Span(u32, u32);

impl Span {
    fn of(self, text: &str) -> &str {
        text.get(self.0 as usize..self.1 as usize)
            .unwrap_or_default()
    }
}

/// A value of a text with its tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    tree: &'a Tree,
    text: &'a str,
    at: usize,
}

impl Tree {
    /// Reads a text that the scanner has checked, byte by byte and without recursion.
    ///
    /// The tree of a text of 4 GiB or more is empty, as if the text were `null`; bodies of requests are far from this.
    #[must_use]
    pub(crate) fn of(text: &str) -> Self {
        let mut entries = Vec::new();
        if u32::try_from(text.len()).is_ok() {
            Reader {
                bytes: text.as_bytes(),
                at: 0,
                entries: &mut entries,
                open: Vec::new(),
                key: Span::default(),
                has_key_escape: false,
            }
            .read();
        }
        entries.shrink_to_fit();
        Self { entries }
    }

    /// Returns the bytes of memory that the tree takes.
    pub(crate) fn size(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }

    /// Returns the outermost value. `text` is the one of which the tree was made.
    pub(crate) fn root<'a>(&'a self, text: &'a str) -> Option<Node<'a>> {
        let tree = self;
        (!self.entries.is_empty()).then_some(Node { tree, text, at: 0 })
    }
}

/// A tree that is being made.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    entries: &'a mut Vec<Entry>,
    /// The numbers of the arrays and objects that are not at their end. This stack is on the heap.
    open: Vec<usize>,
    /// The key of the next value; empty if it is no member of an object.
    key: Span,
    has_key_escape: bool,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'{' | b'[' => {
                    self.open.push(self.entries.len());
                    self.begin();
                    self.at += 1;
                }
                b'}' | b']' => {
                    self.at += 1;
                    if let Some(open) = self.open.pop() {
                        self.end(open);
                    }
                }
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                _ => self.key_or_scalar(),
            }
        }
    }

    /// Reads a key with its colon, or a scalar.
    fn key_or_scalar(&mut self) {
        let start = self.at;
        let has_escape = self.skip_token();
        let end = self.at;
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b':') {
            self.at += 1;
            self.key = Span(offset(start), offset(end));
            self.has_key_escape = has_escape;
            return;
        }
        self.at = start;
        let entry = self.begin();
        self.at = end;
        self.end(entry);
    }

    /// Goes to the end of a string, a number or a word. Reports whether it has an escape.
    fn skip_token(&mut self) -> bool {
        if self.bytes.get(self.at) != Some(&b'"') {
            let rest = &self.bytes[self.at..];
            let is_end = |byte: &u8| b" \t\n\r,:]}".contains(byte);
            self.at += rest.iter().position(is_end).unwrap_or(rest.len());
            return false;
        }
        let mut has_escape = false;
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    has_escape = true;
                    self.at += 1;
                }
                _ => {}
            }
        }
        has_escape
    }

    /// Adds the value that starts here, and returns its number.
    fn begin(&mut self) -> usize {
        self.entries.push(Entry {
            key: std::mem::take(&mut self.key),
            value: Span(offset(self.at), offset(self.at)),
            next: 0,
            kind: Kind::of(self.bytes.get(self.at).copied()),
            has_key_escape: std::mem::take(&mut self.has_key_escape),
        });
        self.entries.len() - 1
    }

    /// Ends a value at the byte before this place.
    fn end(&mut self, entry: usize) {
        let next = offset(self.entries.len());
        self.entries[entry].next = next;
        self.entries[entry].value.1 = offset(self.at);
    }
}

/// Returns a number of a text of less than 4 GiB; it has fewer values than bytes.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'a> Node<'a> {
    fn entry(self) -> &'a Entry {
        &self.tree.entries[self.at]
    }

    /// Returns the value; how deep it is nested is not known.
    pub(crate) fn value(self) -> Value<'a> {
        Value::new(self.entry().value.of(self.text), 0)
    }

    /// Returns the type of the value.
    pub(crate) fn kind(self) -> Kind {
        self.entry().kind
    }

    /// Returns the member of an object with this name, the last of several; `None` if there is none, or the value is no
    /// object. `looked_at` is called for each member that is looked at.
    pub(crate) fn member(self, name: &str, mut looked_at: impl FnMut()) -> Option<Node<'a>> {
        let mut found = None;
        for child in self.children() {
            looked_at();
            if child.has_name(name) {
                found = Some(child);
            }
        }
        found
    }

    /// Reports whether this is the member of an object with this name.
    fn has_name(self, name: &str) -> bool {
        let entry = self.entry();
        let key = entry.key.of(self.text);
        if entry.has_key_escape {
            return Member::new(key, self.value()).is(name);
        }
        key.len() == name.len() + 2 && &key.as_bytes()[1..=name.len()] == name.as_bytes()
    }

    /// Returns the members of an object, or the items of an array.
    fn children(self) -> impl Iterator<Item = Node<'a>> {
        let end = self.entry().next as usize;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let child = (at < end).then_some(Node { at, ..self })?;
            at = child.entry().next as usize;
            Some(child)
        })
    }

    /// Returns the items of an array that are no arrays: those of arrays in it are among them.
    pub(crate) fn items(self) -> impl Iterator<Item = Node<'a>> {
        let end = self.entry().next as usize;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            while at < end {
                let node = Node { at, ..self };
                if node.kind() == Kind::Array {
                    at += 1;
                } else {
                    at = node.entry().next as usize;
                    return Some(node);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::json::scan;
    use crate::domain::json::tests::any_value;

    /// Compares a value of a tree with the same value as the scanner shows it.
    fn check(node: Node<'_>, expected: Value<'_>) {
        assert_eq!(node.value().raw(), expected.raw());
        let members = expected.members();
        assert_eq!(node.children().count(), members.len());
        for (child, member) in node.children().zip(members) {
            if let Some(key) = member.key() {
                assert!(child.has_name(&key.lossy_text()));
            }
            check(child, member.value);
        }
    }

    proptest! {
        #[test]
        fn it_has_the_values_that_the_scanner_finds(value in any_value()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let tree = Tree::of(&text);
                check(tree.root(&text).unwrap(), scan(&text).unwrap().value);
            }
        }
    }

    #[test]
    fn the_items_of_arrays_in_arrays_are_items() {
        let text = r#" [ 1, [2,[ ],["a",{"b":[3]}]] , [[4]] ] "#;
        let tree = Tree::of(text);
        let items: Vec<_> = tree.root(text).unwrap().items().collect();
        let items: Vec<_> = items.iter().map(|it| it.value().raw()).collect();
        assert_eq!(items, ["1", "2", "\"a\"", r#"{"b":[3]}"#, "4"]);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        let tree = Tree::of(&deep);
        assert_eq!(tree.root(&deep).unwrap().items().count(), 1);
        assert_eq!(tree.size(), 200_001 * 24);
    }
}
