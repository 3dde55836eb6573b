//! Sending events again: one, or those that were selected in a list.

use std::collections::HashSet;
use std::fmt::Write;

use actix_web::HttpResponse;
use uuid::Uuid;

use crate::dashboard::query::Fields;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::server::error::ApiError;
use crate::storage::StoreError;

/// The most events that one form sends again: those of the longest page of a list.
const EVENTS_MAX: usize = 100;

/// The most ids that a notice names for one reason.
const NAMED_MAX: usize = 3;

/// Handles `POST /events/{id}/redeliver`.
pub(crate) async fn one(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let id = visit.path_id()?;
    match visit.store().redeliver(visit.visibility(), id).await {
        Ok(()) => visit.notify("The event is sent again now. The answer appears below."),
        Err(error) => match reason(&error) {
            // An id of another workspace is absent, and so is its page.
            Some(_) if error == StoreError::NotFound => return Err(error.into()),
            Some(reason) => visit.notify_error(format!("The event was not sent again: {reason}.")),
            None => return Err(error.into()),
        },
    }
    Ok(redirect(&format!("/events/{id}")))
}

/// Handles `POST /redeliver`: sends the selected events again, and leads back to the list.
pub(crate) async fn selected(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let form = visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let back = list_of(form.fields.raw("next"));
    let mut seen = HashSet::new();
    let ids: Vec<Uuid> = form
        .fields
        .all("event")
        .filter_map(|id| Uuid::parse_str(id).ok())
        .filter(|id| seen.insert(*id))
        .collect();
    if ids.is_empty() {
        visit.notify_error("Select the events to send again first.");
        return Ok(redirect(back));
    }
    if ids.len() > EVENTS_MAX {
        visit.notify_error(format!(
            "At most {EVENTS_MAX} events are sent again at a time; none was."
        ));
        return Ok(redirect(back));
    }
    // All are queued before the first is awaited, so that they share a transaction.
    let visibility = visit.visibility();
    let queued: Vec<_> = ids
        .iter()
        .map(|id| (*id, visit.store().redeliver(visibility, *id)))
        .collect();
    let mut outcome = Outcome::default();
    for (id, queued) in queued {
        outcome.add(id, &queued.await);
    }
    if outcome.refused.is_empty() {
        visit.notify(outcome.to_string());
    } else {
        visit.notify_error(outcome.to_string());
    }
    if outcome.started > 0 {
        return Ok(redirect(&without_status(back)));
    }
    Ok(redirect(back))
}

/// Returns the list without its filter of the status: the events that are sent again have another one now, and the
/// list shows how it changes.
fn without_status(list: &str) -> String {
    match list.split_once('?') {
        Some((path, query)) => {
            let others = Fields::parse(query.as_bytes());
            let others = others.with("status", "").with("select", "");
            format!("{path}?{}", others.to_query())
        }
        None => list.to_owned(),
    }
}

/// Returns the page to go back to: a list of this server.
fn list_of(next: &str) -> &str {
    let is_list = ["/deliveries", "/messages/", "/endpoints/"]
        .iter()
        .any(|path| next.starts_with(path));
    if is_list
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        next
    } else {
        "/deliveries"
    }
}

/// Returns the reason why an event cannot be sent again, in words; `None` for a fault of the server.
fn reason(error: &StoreError) -> Option<String> {
    match error {
        StoreError::NotFound => Some("it or its endpoint was deleted".to_owned()),
        StoreError::EventArchived => {
            Some("its payload is archived, so publish the message again".to_owned())
        }
        StoreError::EndpointDisabled => {
            Some("its endpoint is disabled: enable it first".to_owned())
        }
        StoreError::Unavailable(why) => Some(format!("{why}: try again in a moment")),
        _ => None,
    }
}

/// The result of sending several events again.
#[derive(Default)]
struct Outcome {
    started: usize,
    /// The events that were refused, by the reason.
    refused: Vec<(String, Vec<Uuid>)>,
}

impl Outcome {
    fn add(&mut self, id: Uuid, result: &Result<(), StoreError>) {
        let Err(error) = result else {
            self.started += 1;
            return;
        };
        let reason = reason(error).unwrap_or_else(|| "the server failed".to_owned());
        match self.refused.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, ids)) => ids.push(id),
            None => self.refused.push((reason, vec![id])),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.started {
            0 => f.write_str("No event is queued again.")?,
            1 => f.write_str("1 event is queued again.")?,
            started => write!(f, "{started} events are queued again.")?,
        }
        if self.started > 0 {
            f.write_str(" The list below shows what becomes of them.")?;
        }
        for (reason, ids) in &self.refused {
            let mut names = String::new();
            for id in ids.iter().take(NAMED_MAX) {
                let id = id.to_string();
                write!(names, " …{}", &id[id.len() - 8..])?;
            }
            if ids.len() > NAMED_MAX {
                write!(names, " and {} more", ids.len() - NAMED_MAX)?;
            }
            write!(f, " Not{names}: {reason}.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_says_how_many_were_sent_and_why_others_were_not() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.to_string(), "No event is queued again.");
        outcome.add(Uuid::from_u128(1), &Ok(()));
        assert_eq!(
            outcome.to_string(),
            "1 event is queued again. The list below shows what becomes of them."
        );
        outcome.add(Uuid::from_u128(2), &Ok(()));
        for number in 3..8 {
            outcome.add(Uuid::from_u128(number), &Err(StoreError::EndpointDisabled));
        }
        outcome.add(Uuid::from_u128(9), &Err(StoreError::EventArchived));
        assert_eq!(
            outcome.to_string(),
            "2 events are queued again. The list below shows what becomes of them. Not …00000003 …00000004 …00000005 \
             and 2 more: its endpoint is disabled: enable it first. Not …00000009: its payload is archived, so publish the message again."
        );
    }

    #[test]
    fn the_way_back_shows_the_events_in_their_new_state() {
        let list = "/deliveries?view=events&endpoint_id=1&status=failed&status=skipped";
        assert_eq!(
            without_status(list),
            "/deliveries?view=events&endpoint_id=1"
        );
        assert_eq!(without_status("/messages/1"), "/messages/1");
    }

    #[test]
    fn the_way_back_is_a_list_of_this_server() {
        for own in [
            "/deliveries?view=events&status=failed",
            "/messages/1",
            "/deliveries",
        ] {
            assert_eq!(list_of(own), own);
        }
        for other in [
            "",
            "//b.example",
            "https://b.example/deliveries",
            "/deliveries\r\nx: y",
            "/tokens",
        ] {
            assert_eq!(list_of(other), "/deliveries", "{other}");
        }
    }
}
