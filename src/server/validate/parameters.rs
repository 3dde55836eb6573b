//! Parameters of the query string that the route does not have, but that were most likely meant for one that
//! it has.
//!
//! Unknown parameters are ignored, as upstream does. But a filter that is ignored lists everything, and a
//! script that redelivers what it lists would then send everything again. So a name that is nearly that of a
//! parameter is refused.

/// The most edits, of one character each, by which a name may differ from the one that was meant: enough for
/// two swapped letters, a plural, or another separator between two words.
const EDITS_MAX: usize = 2;

/// A parameter that a route has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// True if it may be repeated.
    pub(super) repeats: bool,
}

impl Parameter {
    /// Returns the advice for a client that sent another name.
    pub(super) fn hint(self, sent: &str) -> String {
        let Self { name, repeats } = self;
        match (sent.contains('['), repeats) {
            (true, true) => format!(
                "names of parameters have no brackets: use '{name}', and repeat it for several values"
            ),
            (true, false) => format!("names of parameters have no brackets: use '{name}'"),
            (false, _) => format!("there is no such parameter; did you mean '{name}'?"),
        }
    }
}

/// Returns the parameter that was most likely meant by `sent`; `None` if it is itself one of `known`, or is
/// like none of them.
///
/// Clients spell a list as `status[]`, `status[0]` or `filter[status]`. Upper and lower case are equal.
pub(super) fn meant(sent: &str, known: &[Parameter]) -> Option<Parameter> {
    if known.iter().any(|parameter| parameter.name == sent) {
        return None;
    }
    let (base, inner) = match sent.split_once('[') {
        Some((base, rest)) => (base, rest),
        None => (sent, ""),
    };
    let mut inner = inner.split(['[', ']']);
    let named = |word: &str| known.iter().find(|parameter| parameter.name == word);
    named(base)
        .or_else(|| nearest(base, known))
        .or_else(|| inner.find_map(named))
        .copied()
}

/// Returns the parameter to which a name is nearest, if it is near enough.
fn nearest<'k>(sent: &str, known: &'k [Parameter]) -> Option<&'k Parameter> {
    let longest = known.iter().map(|parameter| parameter.name.len()).max()?;
    // No character of a known name has more than one byte.
    if sent.chars().nth(longest + EDITS_MAX).is_some() {
        return None;
    }
    let sent = sent.to_lowercase();
    let edits = |parameter: &&Parameter| strsim::levenshtein(&sent, parameter.name);
    let nearest = known.iter().min_by_key(edits)?;
    (edits(&nearest) <= EDITS_MAX).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const NAMES: [&str; 6] = [
        "status",
        "endpoint_id",
        "event_type",
        "url",
        "page",
        "limit",
    ];

    fn meant_name(sent: &str) -> Option<&'static str> {
        let known = NAMES.map(|name| Parameter {
            name,
            repeats: name.contains('_'),
        });
        meant(sent, &known).map(|parameter| parameter.name)
    }

    #[test]
    fn near_names_and_names_with_brackets_are_meant_for_one() {
        for (sent, name) in [
            ("status[]", "status"),
            ("status[0]", "status"),
            ("status[in]", "status"),
            ("Status[]", "status"),
            ("statuses[]", "status"),
            ("filter[status]", "status"),
            ("filter[0][endpoint_id]", "endpoint_id"),
            ("status[", "status"),
            ("stauts", "status"),
            ("STATUS", "status"),
            ("statuses", "status"),
            ("endpointId", "endpoint_id"),
            ("endpoint-id", "endpoint_id"),
            ("endpoint_ids", "endpoint_id"),
            ("eventType", "event_type"),
            ("limits", "limit"),
            ("page[number]", "page"),
        ] {
            assert_eq!(meant_name(sent), Some(name), "{sent}");
        }
    }

    #[test]
    fn known_and_other_names_are_meant_for_none() {
        for sent in [
            "status",
            "url",
            "",
            "[]",
            "[0]",
            "unknown",
            "x",
            "_",
            "sort",
            "offset",
            "per_page",
            "endpoint",
            "type",
            "filter[name]",
            "a[b][c]",
            "é",
        ] {
            assert_eq!(meant_name(sent), None, "{sent}");
        }
        assert_eq!(meant_name(&"s".repeat(100_000)), None);
        assert_eq!(meant("status", &[]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn names_with_up_to_two_edits_are_meant_for_one(
            name in select(NAMES.to_vec()),
            edits in prop::collection::vec((any::<Index>(), 0..3_u8, select(vec!['z', '_', 'é'])), 0..=2),
        ) {
            let mut sent: Vec<char> = name.chars().collect();
            for (place, kind, character) in edits {
                let at = place.index(sent.len());
                match kind {
                    0 => sent.insert(at, character),
                    1 if sent.len() > 1 => drop(sent.remove(at)),
                    _ => sent[at] = character,
                }
            }
            let sent: String = sent.into_iter().collect();
            let is_known = NAMES.contains(&sent.as_str());
            prop_assert_eq!(meant_name(&sent).is_some(), !is_known, "{}", sent);
        }
    }
}
