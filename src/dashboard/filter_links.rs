//! Links above a list: to all of its rows, and to those with each value of a filter.

use super::query::Fields;

/// A link to the rows with a value of a filter, or to all.
pub(super) struct FilterLink {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) is_current: bool,
}

/// Returns the links of a filter: each is a name and a value, and the value of all rows is empty. The other parameters
/// of the list stay, except the page.
pub(super) fn filter_links(
    path: &str,
    query: &Fields,
    parameter: &str,
    choices: impl IntoIterator<Item = (&'static str, &'static str)>,
    is_current: impl Fn(&str) -> bool,
) -> Vec<FilterLink> {
    let query = query.with("page", "");
    let link = |(name, value)| FilterLink {
        name,
        url: match query.with(parameter, value).to_query() {
            none if none.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        },
        is_current: is_current(value),
    };
    choices.into_iter().map(link).collect()
}

/// Returns the choices of a filter whose values have no other names.
pub(super) fn by_word<const N: usize>(
    words: [&'static str; N],
) -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::once(("all", "")).chain(words.map(|word| (word, word)))
}
