use super::*;

fn filters(view: ListView, query: &str) -> ListFilters {
    ListFilters::new(view, Fields::parse(query.as_bytes()))
}

#[test]
fn the_api_gets_its_own_parameters_and_times_with_a_zone() {
    let query = "view=events&open=1&status=failed&query=&page=2&start_timestamp=2026-03-01T12:00\
                 &end_timestamp=2026-03-01T12:00:30%2B02:00&endpoint_id=a&endpoint_id=b&x=y";
    assert_eq!(
        filters(ListView::Events, query).to_api_query(),
        "status=failed&page=2&start_timestamp=2026-03-01T12%3A00Z\
         &end_timestamp=2026-03-01T12%3A00%3A30%2B02%3A00&endpoint_id=a&endpoint_id=b&limit=50"
    );
    assert_eq!(
        filters(ListView::Attempts, "status=failed&succeeded=false&limit=5").to_api_query(),
        "succeeded=false&limit=5"
    );
}

#[test]
fn each_filter_can_be_taken_away() {
    let filters = filters(
        ListView::Attempts,
        "endpoint_id=a&endpoint_id=b&succeeded=false&page=3&open=x",
    );
    let chips: Vec<_> = filters
        .chips()
        .into_iter()
        .map(|chip| (chip.name, chip.value, chip.without))
        .collect();
    let chip = |name, value: &str, without: &str| (name, value.to_owned(), without.to_owned());
    assert_eq!(
        chips,
        [
            chip("endpoint", "a", "/deliveries?endpoint_id=b&succeeded=false"),
            chip("endpoint", "b", "/deliveries?endpoint_id=a&succeeded=false"),
            chip("succeeded", "no", "/deliveries?endpoint_id=a&endpoint_id=b"),
        ]
    );
    assert_eq!(filters.hidden(), [("endpoint_id", "b")]);
    assert_eq!(
        filters.events_url(),
        "/deliveries?view=events&endpoint_id=a&endpoint_id=b"
    );
}

#[test]
fn a_time_is_shown_in_the_field_that_can_show_it() {
    let filters = filters(
        ListView::Attempts,
        "start_timestamp=2026-03-01T12:00Z&end_timestamp=1700000000",
    );
    assert_eq!(filters.time("start_timestamp"), "2026-03-01T12:00");
    assert_eq!(filters.time_type("start_timestamp"), "datetime-local");
    assert_eq!(filters.time("end_timestamp"), "1700000000");
    assert_eq!(filters.time_type("end_timestamp"), "text");
}
