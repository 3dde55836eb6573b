//! Text of the form `a=b&c=d` (application/x-www-form-urlencoded): the query of a URL, and the body of a form.

use url::form_urlencoded;

/// The fields of a query or a form, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the fields. Every text can be read.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// Returns the first value of a field, without spaces around it; `None` if it is absent or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.first(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Returns the first value of a field as it was sent; empty if it is absent.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.first(name).unwrap_or_default()
    }

    fn first(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns all values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |(key, _)| key == name);
        own.map(|(_, value)| value.as_str())
    }

    /// Returns the fields that are not empty, without spaces around their values.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter();
        let trimmed = fields.map(|(key, value)| (key.as_str(), value.trim()));
        trimmed.filter(|(_, value)| !value.is_empty())
    }

    /// Reports whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Returns the fields as a query, with those that are empty left out.
    pub(super) fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in &self.0 {
            if !value.trim().is_empty() {
                query.append_pair(key, value.trim());
            }
        }
        query.finish()
    }

    /// Returns the fields with these names.
    pub(super) fn only(self, is_known: impl Fn(&str) -> bool) -> Self {
        let known = self.0.into_iter().filter(|(name, _)| is_known(name));
        Self(known.collect())
    }

    /// Returns a copy in which a field has only this value; an empty one removes the field.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(key, _)| key != name).cloned();
        let mut fields: Vec<_> = others.collect();
        if !value.is_empty() {
            fields.push((name.to_owned(), value.to_owned()));
        }
        Self(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written() {
        let fields = Fields::parse(b"a=1&b=x+y%26&c=&a=2&d=%20&%FF=z");
        assert_eq!(fields.get("a"), Some("1"));
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(fields.get("b"), Some("x y&"));
        assert_eq!(fields.get("c"), None);
        assert!(fields.has("c") && !fields.has("e"));
        assert_eq!(fields.with("a", "3").to_query(), "b=x+y%26&%EF%BF%BD=z&a=3");
        assert_eq!(fields.with("a", "").get("a"), None);
    }
}
