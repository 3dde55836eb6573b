//! A message as a person composes it in a form, and the body of the API's request that it stands for.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::form::FormProblems;
use super::json_syntax::syntax_problem;
use super::query::Fields;
use crate::domain::access::Visibility;
use crate::domain::message::{Idempotency, NewMessage, is_idempotency_key};
use crate::domain::tags::Tag;
use crate::server::inputs::message::message_fields;
use crate::server::validate::Input;

/// The fields of the form, as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Composition {
    pub(super) event_type: String,
    pub(super) data: String,
    pub(super) timestamp: String,
    /// One a line, as `name:value`.
    pub(super) tags: String,
    pub(super) idempotency_key: String,
    pub(super) workspace_id: String,
    /// Ids, separated by white space or commas.
    pub(super) endpoint_ids: String,
}

impl Composition {
    /// The names of the fields.
    pub(super) const FIELDS: [&'static str; 7] = [
        "type",
        "data",
        "timestamp",
        "tags",
        "idempotency_key",
        "workspace_id",
        "endpoint_ids",
    ];

    pub(super) fn of(fields: &Fields) -> Self {
        let field = |name| fields.get(name).unwrap_or_default().to_owned();
        Self {
            event_type: field("type"),
            // Browsers send the ends of lines as CR LF. Within JSON, only white space can have them.
            data: field("data").replace("\r\n", "\n"),
            timestamp: field("timestamp"),
            tags: field("tags").replace("\r\n", "\n"),
            idempotency_key: field("idempotency_key"),
            workspace_id: field("workspace_id"),
            endpoint_ids: field("endpoint_ids"),
        }
    }

    /// Reads the message with the API's readers. Returns it, and the length of the body that it would have there.
    ///
    /// # Errors
    /// The problems of the fields.
    pub(super) fn read(
        &self,
        visibility: Visibility,
        largest: usize,
    ) -> Result<(NewMessage, usize), FormProblems> {
        let syntax = syntax_problem(&self.data);
        // So that the other fields are checked as well, a placeholder stands for data that cannot be read.
        let data = if syntax.is_some() { "null" } else { &self.data };
        let body = self.body(data);
        let mut input = Input::new("", "");
        input.json(&body);
        let message = message_fields(&mut input, visibility);
        let read = input.finish();
        let mut problems = match &read {
            Ok(_) => FormProblems::default(),
            Err(problems) => FormProblems::by_field(problems),
        };
        if let (_, Some(line)) = self.tags_object() {
            problems.add(
                "tags",
                &format!("“{line}” is no tag: write region:eu, one a line"),
            );
        }
        if let Some(problem) = syntax {
            problems.add("data", &problem);
        }
        if body.len() > largest {
            let text =
                format!("A message may have at most {largest} bytes: publish a link to the data");
            problems.add("data", &text);
        }
        let key = self.idempotency_key.as_str();
        if !key.is_empty() && !is_idempotency_key(key.as_bytes()) {
            problems.add("idempotency_key", "Use 1 to 255 visible ASCII characters");
        }
        let Some(ok) = read.ok().filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        let mut message = message(&ok);
        if !key.is_empty() {
            message.idempotency = Some(Idempotency {
                key: key.to_owned(),
                fingerprint: Sha256::digest(&body).into(),
            });
        }
        Ok((message, body.len()))
    }

    /// Returns the tags as a JSON object, and the first line that is no tag.
    fn tags_object(&self) -> (Value, Option<&str>) {
        let mut members = serde_json::Map::new();
        let mut bad = None;
        for line in self.tags.lines().map(str::trim).filter(|it| !it.is_empty()) {
            match Tag::parse(line) {
                Some(tag) => {
                    let (name, value) = (tag.name.trim(), tag.value.trim());
                    members.insert(name.to_owned(), value.into());
                }
                None => bad = bad.or(Some(line)),
            }
        }
        (Value::Object(members), bad)
    }

    /// Returns the body of the API's request, with the bytes of the data. Fields that are empty are left out.
    fn body(&self, data: &str) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let ids = self.endpoint_ids.split([',', ' ', '\t', '\r', '\n']);
        let ids: Value = ids.filter(|id| !id.is_empty()).collect();
        let members = [
            ("type", text(&self.event_type), &self.event_type),
            ("data", data.to_owned(), &self.data),
            ("timestamp", text(&self.timestamp), &self.timestamp),
            ("tags", self.tags_object().0.to_string(), &self.tags),
            ("workspace_id", text(&self.workspace_id), &self.workspace_id),
            ("endpoint_ids", ids.to_string(), &self.endpoint_ids),
        ];
        let given = members.into_iter().filter(|(.., typed)| !typed.is_empty());
        let members: Vec<_> = given
            .map(|(name, value, _)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const OWN: Visibility = Visibility::Workspace(Uuid::from_u128(7));

    fn composed(query: &str) -> Composition {
        Composition::of(&Fields::parse(query.as_bytes()))
    }

    #[test]
    fn the_data_keeps_its_bytes() {
        let composition =
            composed("type=order.created&data=%7B%22n%22:1.0,%0D%0A+%22e%22:1e400%7D");
        let (message, size) = composition.read(OWN, 1000).unwrap();
        assert_eq!(message.data.get(), "{\"n\":1.0,\n \"e\":1e400}");
        assert_eq!(message.workspace_id, Uuid::from_u128(7));
        assert!(message.idempotency.is_none());
        assert_eq!(
            size,
            r#"{"type":"order.created","data":{"n":1.0,. "e":1e400}}"#.len()
        );
    }

    #[test]
    fn every_field_has_its_problem_and_data_the_place() {
        let composition =
            composed("type=a..b&data=%7B%0A++%22a%22+1%7D&timestamp=x&idempotency_key=a+b");
        let problems = composition.read(OWN, 1000).unwrap_err();
        assert_eq!(
            problems.of_field("data"),
            "Expecting ':' delimiter: line 2, column 7"
        );
        for name in ["type", "timestamp", "idempotency_key"] {
            assert!(!problems.of_field(name).is_empty(), "{name}");
        }
        assert_eq!(
            composed("type=a")
                .read(OWN, 1000)
                .unwrap_err()
                .of_field("data"),
            "Field required"
        );
        let long = composed("type=a&data=%22xxxxxxxxxxxxxxxxxxxxx%22");
        assert!(
            long.read(OWN, 20)
                .unwrap_err()
                .of_field("data")
                .contains("at most 20")
        );
        // Text that would add members to the body stays within its field.
        let forged = composed("type=a&data=1,%22workspace_id%22:%22x%22");
        assert!(
            !forged
                .read(OWN, 1000)
                .unwrap_err()
                .of_field("data")
                .is_empty()
        );
    }

    #[test]
    fn endpoints_are_named_by_their_ids() {
        let [one, other] = [1, 2].map(|_| Uuid::new_v4());
        let composition = composed(&format!("type=a&data=1&endpoint_ids={one},%0D%0A+{other}"));
        let (message, _) = composition.read(OWN, 1000).unwrap();
        assert_eq!(message.endpoint_ids, [one, other]);
        for bad in ["x", "%2C"] {
            let problems = composed(&format!("type=a&data=1&endpoint_ids={bad}")).read(OWN, 1000);
            let problems = problems.unwrap_err();
            assert!(!problems.of_field("endpoint_ids").is_empty(), "{bad}");
        }
        let message = composed("type=a&data=1&endpoint_ids=").read(OWN, 1000);
        assert!(message.unwrap().0.endpoint_ids.is_empty());
    }

    #[test]
    fn an_admin_names_the_workspace() {
        let id = Uuid::new_v4();
        let composition = composed(&format!(
            "type=a&data=1&workspace_id={id}&idempotency_key=k"
        ));
        let (message, _) = composition.read(Visibility::All, 1000).unwrap();
        assert_eq!(message.workspace_id, id);
        assert_eq!(message.idempotency.unwrap().key, "k");
        let problems = composed("type=a&data=1")
            .read(Visibility::All, 1000)
            .unwrap_err();
        assert_eq!(problems.of_field("workspace_id"), "Field required");
    }
}
