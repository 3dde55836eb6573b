//! Tags as pages show them.

use url::form_urlencoded;

use crate::domain::tags::{TAG_SEPARATOR, Tags};

/// A tag, with the list of the messages that have it.
pub(super) struct TagLink {
    /// The tag as filters name it, such as `region:eu`.
    pub(super) text: String,
    pub(super) url: String,
}

/// Returns the tags with their links.
pub(super) fn tag_links(tags: &Tags) -> Vec<TagLink> {
    let link = |(name, value)| {
        let text = format!("{name}{TAG_SEPARATOR}{value}");
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("tag", &text)
            .finish();
        TagLink {
            text,
            url: format!("/messages?{query}"),
        }
    };
    tags.iter().map(link).collect()
}
