//! The tests of the page with the result of a test.

use super::Visitor;
use super::world::World;

#[test]
fn a_test_is_sent_from_the_page_of_the_endpoint_and_its_result_is_shown() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let page = format!("/endpoints/{}", world.endpoint);
    assert!(visitor.get(&page).expect(200).contains("Send a test"));
    // The receiver of this world answers 500.
    let shown = visitor.post(&format!("{page}/test"), &[]);
    let text = shown.expect(200);
    assert!(text.contains("<h1>The test failed</h1>"), "{text}");
    assert!(text.contains("What to do:"), "{text}");
    assert!(text.contains("hookpost.test"), "{text}");
    world.receiver.reply("/hook", 204, "");
    let shown = visitor.post(&format!("{page}/test"), &[]);
    let text = shown.expect(200);
    assert!(text.contains("<h1>The test succeeded</h1>"), "{text}");
    let received = world.receiver.wait("/hook", 3).pop().unwrap();
    assert!(text.contains(received.header("webhook-id")), "{text}");
    // The attempt of the event of this world is the only delivery.
    let list = world.app.get("/api/webhooks/deliveries").expect(200);
    assert_eq!(list["meta"]["total"], 1);
}

#[test]
fn an_answer_of_the_receiver_cannot_write_into_the_page() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let endpoint = world.app.endpoint(&world.receiver.url("/bad"));
    world
        .receiver
        .answer(500, "</pre><script>alert(1)</script>");
    let path = format!("/endpoints/{}/test", endpoint["id"].as_str().unwrap());
    let shown = visitor.post(&path, &[]);
    let text = shown.expect(200);
    assert!(
        text.contains("&lt;script&gt;") || text.contains("&#60;script"),
        "{text}"
    );
    assert!(!text.contains("<script>alert"), "{text}");
}
