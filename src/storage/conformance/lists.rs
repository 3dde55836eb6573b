//! Lists and notices: their order, and the totals and filters of lists.

use uuid::Uuid;

use super::fixture::{BYTES, Open, SECOND, StoreFixture, new_endpoint, url};
use crate::domain::access::Visibility;
use crate::domain::delivery::CodeClass;
use crate::domain::endpoint::EndpointPatch;
use crate::domain::endpoint_key::EndpointKey;
use crate::domain::event::EventStatus;
use crate::domain::event_type::Subscription;
use crate::storage::{
    DeliveryFilter, EndpointFilter, EventFilter, MessageFilter, Notice, Page, Verdict,
};

pub(super) fn events_are_listed_newest_first_with_an_exact_total(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let mut ids: Vec<Uuid> = (0..5).map(|_| it.published(&workspace).id).collect();
    ids.reverse();
    assert_eq!(it.events(&EventFilter::ALL, Page::FIRST), (ids.clone(), 5));
    let page = |number| it.events(&EventFilter::ALL, Page { number, limit: 2 });
    assert_eq!(page(1), (ids[..2].to_vec(), 5));
    assert_eq!(page(3), (ids[4..].to_vec(), 5));
    assert_eq!(page(4), (vec![], 5));
}

pub(super) fn events_are_listed_by_each_filter(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let neighbour = it.workspace("neighbour");
    let _elsewhere = it.endpoint(&neighbour, &["a"]);
    let [succeeded, failed, pending] = [0, 1, 2].map(|_| {
        it.clock.advance(SECOND);
        it.published(&workspace)
    });
    it.record(&succeeded, Verdict::Succeeded);
    it.record(&failed, Verdict::Failed);
    it.clock.advance(SECOND);
    let other = it.published(&neighbour).id;
    let typed = it.endpoint(&workspace, &["b"]);
    it.clock.advance(SECOND);
    let of_b = it.publish(&workspace, "b").message.events[0].0;
    it.set_enabled(&typed, false);
    let (succeeded, failed, pending) = (succeeded.id, failed.id, pending.id);
    let list = |change: &dyn Fn(&mut EventFilter)| {
        let mut filter = EventFilter::ALL;
        change(&mut filter);
        let (ids, total) = it.events(&filter, Page::FIRST);
        assert_eq!(ids.len() as u64, total);
        ids
    };
    let status = |statuses: &[EventStatus]| {
        let statuses = statuses.to_vec();
        list(&move |filter| filter.statuses.clone_from(&statuses))
    };
    assert_eq!(status(&[EventStatus::Succeeded]), [succeeded]);
    assert_eq!(status(&[EventStatus::Failed]), [failed]);
    assert_eq!(status(&[EventStatus::Pending]), [other, pending]);
    assert_eq!(status(&[EventStatus::Skipped]), [of_b]);
    let ended = [EventStatus::Failed, EventStatus::Succeeded];
    assert_eq!(status(&ended), [failed, succeeded]);
    let within = list(&|filter| filter.visibility = Visibility::Workspace(neighbour.id));
    assert_eq!(within, [other]);
    let named = list(&|filter| filter.workspaces = vec![workspace.id]);
    assert_eq!(named, [of_b, pending, failed, succeeded]);
    let to_endpoint = list(&|filter| filter.endpoints = vec![endpoint.id]);
    assert_eq!(to_endpoint, [pending, failed, succeeded]);
    let message = it.event(failed).message_id;
    let of_message = list(&|filter| filter.messages = vec![message, Uuid::nil(), message]);
    assert_eq!(of_message, [failed]);
    let of_type = list(&|filter| filter.event_types = vec!["b".to_owned()]);
    assert_eq!(of_type, [of_b]);
    let unknown = list(&|filter| filter.event_types = vec!["c".to_owned()]);
    assert_eq!(unknown, [] as [Uuid; 0]);
    let middle = it.event(failed).created_at;
    let after = list(&|filter| filter.after = Some(middle));
    assert_eq!(after, [of_b, other, pending]);
    let before = list(&|filter| filter.before = Some(middle));
    assert_eq!(before, [succeeded]);
}

pub(super) fn deliveries_are_listed_newest_first_and_by_each_filter(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let neighbour = it.workspace("neighbour");
    let _elsewhere = it.endpoint(&neighbour, &["a"]);
    let first = it.published(&workspace);
    it.retry_at(&first, it.now());
    it.clock.advance(SECOND);
    let again = &it.retries(first.endpoint)[0];
    it.record(again, Verdict::Succeeded);
    it.clock.advance(SECOND);
    let second = it.published(&neighbour);
    it.record(&second, Verdict::Gone);
    let list = |change: &dyn Fn(&mut DeliveryFilter)| {
        let mut filter = DeliveryFilter::ALL;
        change(&mut filter);
        let found = it
            .store
            .list_deliveries(&filter, Page::FIRST, BYTES)
            .unwrap();
        assert_eq!(found.rows.len() as u64, found.total);
        let codes = found.rows.iter().map(|row| row.item.http_code.unwrap());
        codes.collect::<Vec<u16>>()
    };
    assert_eq!(list(&|_| {}), [410, 204, 500]);
    let of_event = list(&|filter| filter.event = Some(first.id));
    assert_eq!(of_event, [204, 500]);
    let messages = [first.id, second.id].map(|id| it.event(id).message_id);
    let of_message = list(&|filter| filter.messages = messages[..1].to_vec());
    assert_eq!(of_message, [204, 500]);
    let of_both = list(&|filter| filter.messages = messages.to_vec());
    assert_eq!(of_both, [410, 204, 500]);
    let of_neither = list(&|filter| {
        filter.event = Some(first.id);
        filter.messages = messages[1..].to_vec();
    });
    assert_eq!(of_neither, [] as [u16; 0]);
    assert_eq!(list(&|filter| filter.succeeded = Some(true)), [204]);
    assert_eq!(list(&|filter| filter.succeeded = Some(false)), [410, 500]);
    let class = Some(CodeClass::ClientError);
    assert_eq!(list(&|filter| filter.code_class = class), [410]);
    let to_endpoint = list(&|filter| filter.endpoints = vec![endpoint.id]);
    assert_eq!(to_endpoint, [204, 500]);
    let within = list(&|filter| filter.visibility = Visibility::Workspace(neighbour.id));
    assert_eq!(within, [410]);
    let none = list(&|filter| filter.event_types = vec!["b".to_owned()]);
    assert_eq!(none, [] as [u16; 0]);
    let middle = list(&|filter| filter.after = Some(it.now().before(SECOND)));
    assert_eq!(middle, [410]);
    let page = Page {
        number: 2,
        limit: 2,
    };
    let found = it.store.list_deliveries(&DeliveryFilter::ALL, page, BYTES);
    let found = found.unwrap();
    assert_eq!((found.rows.len(), found.total), (1, 3));
}

pub(super) fn endpoints_are_listed_newest_first_by_workspace_and_url(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, first) = it.tenant();
    let second = it.endpoint(&workspace, &["a"]);
    let moved = EndpointPatch {
        url: Some(url("other")),
        ..EndpointPatch::default()
    };
    it.update(first.id, moved).unwrap();
    let neighbour = it.workspace("neighbour");
    let new = new_endpoint(neighbour.id, &["a"]);
    let third = it.store.create_endpoint(new).wait().unwrap();
    let list = |change: &dyn Fn(&mut EndpointFilter), page| {
        let mut filter = EndpointFilter::ALL;
        change(&mut filter);
        let found = it.store.list_endpoints(&filter, page, BYTES).unwrap();
        let ids: Vec<Uuid> = found.rows.iter().map(|row| row.item.id).collect();
        (ids, found.total)
    };
    let all = vec![third.id, second.id, first.id];
    assert_eq!(list(&|_| {}, Page::FIRST), (all, 3));
    let page = Page {
        number: 2,
        limit: 1,
    };
    assert_eq!(list(&|_| {}, page), (vec![second.id], 3));
    let named = list(
        &|filter| filter.workspaces = vec![neighbour.id],
        Page::FIRST,
    );
    assert_eq!(named, (vec![third.id], 1));
    let by_url = list(
        &|filter| filter.url = Some("EXAMPLE/OTH".to_owned()),
        Page::FIRST,
    );
    assert_eq!(by_url, (vec![first.id], 1));
    let named = EndpointPatch {
        key: EndpointKey::parse("k"),
        ..EndpointPatch::default()
    };
    it.update(second.id, named).unwrap();
    let with_key = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
        list(&|filter| filter.keys.clone_from(&keys), Page::FIRST)
    };
    assert_eq!(with_key(&["k"]), (vec![second.id], 1));
    assert_eq!(with_key(&["other", "k"]), (vec![second.id], 1));
    assert_eq!(with_key(&["K"]), (vec![], 0));
    let within = list(
        &|filter| filter.visibility = Visibility::Workspace(workspace.id),
        Page::FIRST,
    );
    assert_eq!(within, (vec![second.id, first.id], 2));
}

fn messages(
    it: &StoreFixture,
    page: Page,
    change: impl FnOnce(&mut MessageFilter),
) -> (Vec<Uuid>, u64) {
    let mut filter = MessageFilter::ALL;
    change(&mut filter);
    let found = it.store.list_messages(&filter, page).unwrap();
    assert_eq!(found.searched_back_to, None, "there is time for all");
    let listed = found.listed;
    let ids = listed.items.iter().map(|message| message.id);
    (ids.collect(), listed.total)
}

pub(super) fn messages_are_listed_newest_first_and_by_each_filter(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, _) = it.tenant();
    let first = it.publish(&workspace, "a").message;
    it.clock.advance(SECOND);
    let middle = it.now();
    let second = it.publish(&workspace, "b").message;
    it.clock.advance(SECOND);
    let neighbour = it.workspace("neighbour");
    let third = it.publish(&neighbour, "a").message;
    let list = |change: &dyn Fn(&mut MessageFilter)| messages(&it, Page::FIRST, change).0;
    assert_eq!(list(&|_| {}), [third.id, second.id, first.id]);
    let page = Page {
        number: 2,
        limit: 2,
    };
    assert_eq!(messages(&it, page, |_| {}), (vec![first.id], 3));
    let of_type = list(&|filter| filter.event_types = vec!["a".to_owned()]);
    assert_eq!(of_type, [third.id, first.id]);
    let named = list(&|filter| filter.workspaces = vec![workspace.id]);
    assert_eq!(named, [second.id, first.id]);
    let within = list(&|filter| filter.visibility = Visibility::Workspace(neighbour.id));
    assert_eq!(within, [third.id]);
    assert_eq!(list(&|filter| filter.after = Some(middle)), [third.id]);
    assert_eq!(list(&|filter| filter.before = Some(middle)), [first.id]);
    let unrouted = |is: bool| list(&|filter| filter.unrouted = Some(is));
    assert_eq!(unrouted(true), [third.id, second.id]);
    assert_eq!(unrouted(false), [first.id]);
    let found = it.store.list_messages(&MessageFilter::ALL, Page::FIRST);
    let listed = found.unwrap().listed.items;
    let summary = it.store.find_message(Visibility::All, second.id, BYTES);
    assert_eq!(listed[1], summary.unwrap().item.message);
}

pub(super) fn what_an_endpoint_missed_is_listed(open: Open) {
    let it = StoreFixture::new(open);
    let workspace = it.workspace("tenant");
    let before = it.publish(&workspace, "a").message;
    let other_type = it.publish(&workspace, "b").message;
    let endpoint = it.endpoint(&workspace, &["a"]);
    it.publish(&workspace, "a");
    it.set_enabled(&endpoint, false);
    let while_disabled = it.publish(&workspace, "a").message;
    it.publish(&it.workspace("neighbour"), "a");
    let missed = || {
        messages(&it, Page::FIRST, |filter| {
            filter.missing_for = Some(endpoint.id);
        })
    };
    assert_eq!(missed(), (vec![while_disabled.id, before.id], 2));
    let subscribe = EndpointPatch {
        events: Some(vec![Subscription::every_type()]),
        ..EndpointPatch::default()
    };
    it.update(endpoint.id, subscribe).unwrap();
    let all = vec![while_disabled.id, other_type.id, before.id];
    assert_eq!(missed(), (all, 3));
    let of_type = messages(&it, Page::FIRST, |filter| {
        filter.missing_for = Some(endpoint.id);
        filter.event_types = vec!["b".to_owned()];
    });
    assert_eq!(of_type, (vec![other_type.id], 1));
    let hidden = messages(&it, Page::FIRST, |filter| {
        filter.missing_for = Some(endpoint.id);
        filter.visibility = Visibility::Workspace(it.workspace("third").id);
    });
    assert_eq!(hidden, (vec![], 0));
    let unknown = messages(&it, Page::FIRST, |it| it.missing_for = Some(Uuid::nil()));
    assert_eq!(unknown, (vec![], 0));
}

pub(super) fn notices_come_in_the_order_of_commits_and_before_the_answer(open: Open) {
    let it = StoreFixture::new(open);
    let (workspace, endpoint) = it.tenant();
    let event = it.published(&workspace);
    it.set_enabled(&endpoint, false);
    it.set_enabled(&endpoint, true);
    it.redeliver(&event);
    it.record(&event, Verdict::Failed);
    // The test waits only for the notice of the attempt record: a caller gets the result of a write after its
    // notices.
    let mut kinds: Vec<&str> = it.notices().iter().map(kind).collect();
    kinds.dedup();
    let expected = [
        "enabled",
        "published",
        "disabled",
        "enabled",
        "redeliver",
        "recorded",
    ];
    assert_eq!(kinds, expected);
}

fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Published(_) => "published",
        Notice::Endpoint(target, _) if target.enabled => "enabled",
        Notice::Endpoint(..) => "disabled",
        Notice::Redeliver { .. } => "redeliver",
        Notice::Recorded(_) => "recorded",
        Notice::Due { .. } => "due",
        Notice::LetGo { .. } => "let go",
        Notice::Skipped { .. } => "skipped",
    }
}
