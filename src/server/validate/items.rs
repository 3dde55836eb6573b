//! Lists of objects in a body, of which each is read as if it were a body of its own.

use super::echo;
use super::{Field, FieldContext, Input, InputValue, Loc, Section, Violation};
use crate::domain::json::Kind;
use crate::server::schema::Schema;

/// The limits of a list of objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemLimits {
    /// The most objects; there is at least one.
    pub(crate) count: usize,
    /// The longest object, in bytes as it was sent.
    pub(crate) bytes: usize,
}

impl<'a> Input<'a> {
    /// Reads a required field of the body: a list of objects, at least one. `read` gets an input whose body is the object,
    /// and the bytes of the object; it reads its fields as those of a body. `item` is the schema of an object.
    pub(crate) fn required_items<R>(
        &mut self,
        name: &'static str,
        limits: ItemLimits,
        item: impl FnOnce() -> Schema,
        read: impl Fn(&mut Input<'a>, &'a str) -> R,
    ) -> Field<Vec<R>> {
        let list = self.required(name, |value, context| {
            context.accepts(|| {
                Schema::list(item())
                    .with("minItems", 1_usize)
                    .with("maxItems", limits.count)
            })?;
            check_length(value, context, limits.count)
        });
        let (Some(()), Some(list)) = (list.known(), self.member(name)) else {
            return Field(None);
        };
        let mut complete = true;
        let mut items = Vec::new();
        for (place, member) in list.members().into_iter().enumerate() {
            let value = member.value;
            if let Some(violation) = violation_of(value.kind(), value.raw().len(), limits) {
                let loc = Loc::field(Section::Body, name).at(place);
                self.report(loc, violation, echo::echo(value, false));
                complete = false;
                continue;
            }
            let mut item = Input {
                body: Some(value),
                members: value.members(),
                item: Some((name, place)),
                ..Input::default()
            };
            items.push(read(&mut item, value.raw()));
            self.problems.append(&mut item.problems);
        }
        // The problems of an item keep the caller from taking the items as well.
        Field(complete.then_some(items))
    }
}

/// Checks that a value is a list with 1 to `most` items.
fn check_length(value: InputValue<'_>, context: &mut FieldContext<'_>, most: usize) -> Option<()> {
    let length = match value {
        InputValue::Json(json) if json.kind() == Kind::Array => json.members().len(),
        _ => return context.refuse(value, Violation::ListType),
    };
    match length {
        0 => context.refuse(value, Violation::ListTooShort(1)),
        _ if length > most => context.refuse(value, Violation::ListTooLong(most, length)),
        _ => Some(()),
    }
}

/// Returns what is wrong with an item as a whole.
fn violation_of(kind: Kind, bytes: usize, limits: ItemLimits) -> Option<Violation> {
    if kind != Kind::Object {
        return Some(Violation::NotAnObject);
    }
    let most = limits.bytes;
    (bytes > most)
        .then(|| Violation::Value(format!("it may have at most {most} bytes, not {bytes}").into()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::server::validate::{Checked, read};

    const LIMITS: ItemLimits = ItemLimits {
        count: 3,
        bytes: 50,
    };

    /// Reads items with a type and a list of ids. Returns the types, or the kind and the place of each problem.
    fn items(body: &str) -> Result<Vec<String>, Value> {
        let mut input = Input::new("", "");
        input.json(body);
        let schema = || Schema::any(json!({}).into());
        let items = input.required_items("items", LIMITS, schema, |item, text| {
            let event_type = item.required("type", read::event_type);
            let ids = item.optional("ids", read::endpoint_ids);
            move |ok: &Checked| {
                let _ = ids.take(ok);
                format!("{}: {text}", event_type.take(ok))
            }
        });
        match input.finish() {
            Ok(ok) => Ok(items.take(&ok).into_iter().map(|item| item(&ok)).collect()),
            Err(problems) => Err(problems
                .iter()
                .map(|problem| {
                    let problem = serde_json::to_value(problem).unwrap();
                    json!([problem["type"], problem["loc"]])
                })
                .collect()),
        }
    }

    #[test]
    fn items_are_read_in_their_order_and_with_their_bytes() {
        assert_eq!(
            items(r#"{"items": [{"type":"a"}, { "type": "b" }]}"#),
            Ok(vec![
                r#"a: {"type":"a"}"#.to_owned(),
                r#"b: { "type": "b" }"#.to_owned()
            ])
        );
    }

    #[test]
    fn every_fault_of_every_item_has_its_place() {
        let long = format!(r#"{{"type":"a","x":"{}"}}"#, "x".repeat(50));
        let body = format!(r#"{{"items": [{{"ids": ["x"]}}, 7, {long}]}}"#);
        assert_eq!(
            items(&body),
            Err(json!([
                ["missing", ["body", "items", 0, "type"]],
                ["uuid_parsing", ["body", "items", 0, "ids", 0]],
                ["model_attributes_type", ["body", "items", 1]],
                ["value_error", ["body", "items", 2]],
            ]))
        );
    }

    #[test]
    fn the_list_itself_has_its_limits() {
        for (body, kind) in [
            ("{}", "missing"),
            (r#"{"items": null}"#, "list_type"),
            (r#"{"items": {"type": "a"}}"#, "list_type"),
            (r#"{"items": []}"#, "too_short"),
            (r#"{"items": [1, 2, 3, 4]}"#, "too_long"),
        ] {
            let refused = items(body).unwrap_err();
            assert_eq!(refused, json!([[kind, ["body", "items"]]]), "{body}");
        }
    }

    #[test]
    fn a_response_lists_a_limited_number_of_problems() {
        let mut input = Input::new("", "");
        let ids = vec!["\"\""; 100].join(",");
        let items = vec![format!("{{\"ids\":[{ids}]}}"); 20].join(",");
        let body = format!("{{\"items\": [{items}]}}");
        input.json(&body);
        let limits = ItemLimits {
            count: 20,
            bytes: 1000,
        };
        let schema = || Schema::any(json!({}).into());
        let _ = input.required_items("items", limits, schema, |item, _| {
            item.optional("ids", read::endpoint_ids)
        });
        let problems = input.finish().unwrap_err();
        assert_eq!(problems.len(), 500);
        let last = problems.last().unwrap().message();
        assert_eq!(last, "There are 1501 more problems, which are not listed");
        let size: usize = problems.iter().map(|it| it.input.get().len()).sum();
        assert!(size < 20_000, "{size}");
    }
}
