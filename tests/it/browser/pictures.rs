//! The pictures of the README. `cargo test --test it -- --ignored browser::pictures` writes them to `docs/images/`.

use std::path::Path;

use super::Desk;
use super::looks::{endpoint_named, id_of};
use super::session::Scripts;
use crate::dashboard::demo;

/// The longest picture, in bytes: a README that loads megabytes is not read.
const LARGEST: u64 = 200_000;

/// The height of a picture: what fits beside a text.
const HEIGHT: u32 = 860;

#[test]
#[ignore = "it writes files of the repository"]
fn are_written() {
    let app = demo::start();
    let desk = Desk::signed_in(&app, &app.token, Scripts::Run).expect("a browser");
    let warehouse = endpoint_named(&app, "Warehouse");
    let failed = format!("/api/webhooks/events?limit=1&status=failed&endpoint_id={warehouse}");
    let event = id_of(&app, &failed, "id");
    let pages = [
        ("overview", "/".to_owned()),
        ("endpoint", format!("/endpoints/{warehouse}")),
        ("event", format!("/events/{event}")),
        ("deliveries", "/deliveries".to_owned()),
    ];
    for (name, path) in &pages {
        for scheme in ["light", "dark"] {
            desk.look(1280, HEIGHT, scheme);
            desk.open(path);
            let file = Path::new(env!("CARGO_MANIFEST_DIR"));
            let file = file.join(format!("docs/images/{name}-{scheme}.png"));
            desk.picture(&file, Some(HEIGHT));
            let size = std::fs::metadata(&file).unwrap().len();
            assert!(size <= LARGEST, "{} has {size} bytes", file.display());
        }
    }
}
