//! A field that was read, and the proof that the whole request is valid.

/// A field that was read: it has a value, or a problem was reported.
#[derive(Debug)]
#[must_use]
pub(crate) struct Field<T>(pub(super) Option<T>);

/// The proof that all fields read from an [`Input`](super::Input) are valid.
#[derive(Debug)]
pub(crate) struct Checked(pub(super) ());

impl<T> Field<T> {
    /// Returns the value.
    pub(crate) fn take(self, _: &Checked) -> T {
        self.0
            .expect("a field without a value has reported a problem, so there is no proof")
    }
}

impl<T: Copy> Field<T> {
    /// Returns the value if there is one, for the check of another field.
    pub(crate) fn known(&self) -> Option<T> {
        self.0
    }
}

impl<T> Field<Option<T>> {
    /// Returns a field that the client did not send.
    pub(crate) const fn absent() -> Self {
        Self(Some(None))
    }

    /// Returns the field, with `default` if the client did not send it.
    pub(crate) fn or(self, default: T) -> Field<T> {
        Field(self.0.map(|value| value.unwrap_or(default)))
    }
}

impl Field<Option<String>> {
    /// Returns the field as one that the client did not send, if its text is empty.
    pub(crate) fn unless_empty(self) -> Self {
        Self(self.0.map(|value| value.filter(|text| !text.is_empty())))
    }
}

impl Field<Vec<String>> {
    /// Returns the field without its empty texts.
    pub(crate) fn unless_empty(self) -> Self {
        let not_empty = |text: &String| !text.is_empty();
        Self(
            self.0
                .map(|texts| texts.into_iter().filter(not_empty).collect()),
        )
    }
}
