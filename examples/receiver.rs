//! A receiver: checks the signature of each webhook, and handles each only once.
//!
//! In a clone of Hookpost: `WEBHOOK_SECRET=whsec_... cargo run --example receiver`.
//! In a project of your own: `cargo add actix-web@4 standardwebhooks@1 http@1 serde_json`, then
//! `WEBHOOK_SECRET=whsec_... cargo run`. The variable `PORT` sets another port than 9001.

#![expect(clippy::print_stdout, reason = "short to read and to copy")]

use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use serde_json::Value;
use standardwebhooks::Webhook;

struct Receiver {
    webhook: Webhook,
    /// The ids of the webhooks that were handled. A real receiver has them in its database.
    handled: Mutex<HashSet<String>>,
}

impl Receiver {
    /// Returns the id and the event, if the webhook is signed with the secret and is not old.
    fn verify(
        &self,
        request: &HttpRequest,
        body: &[u8],
    ) -> Result<(String, Value), Box<dyn Error>> {
        // actix-web 4 has the header map of `http` 0.2; standardwebhooks wants that of `http` 1.
        let mut headers = http::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let value = request.headers().get(name).ok_or("a header is missing")?;
            headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes())?);
        }
        self.webhook.verify(body, &headers)?;
        let id = headers["webhook-id"].to_str()?.to_owned();
        Ok((id, serde_json::from_slice(body)?))
    }
}

async fn receive(receiver: Data<Receiver>, request: HttpRequest, body: Bytes) -> HttpResponse {
    match receiver.verify(&request, &body) {
        Ok((id, event)) => {
            let mut handled = receiver
                .handled
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if handled.insert(id.clone()) {
                println!("{id} {} {}", event["type"], event["data"]);
            } else {
                println!("{id} again");
            }
            HttpResponse::NoContent().finish()
        }
        Err(error) => {
            println!("refused: {error}");
            HttpResponse::Unauthorized().finish()
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let secret = env::var("WEBHOOK_SECRET")?;
    if !secret.starts_with("whsec_") {
        return Err("WEBHOOK_SECRET is not a whsec_ secret".into());
    }
    let port = env::var("PORT").map_or(Ok(9001), |port| port.parse())?;
    let receiver = Data::new(Receiver {
        webhook: Webhook::new(&secret)?,
        handled: Mutex::default(),
    });
    let app = move || {
        App::new()
            .app_data(receiver.clone())
            .app_data(web::PayloadConfig::new(1024 * 1024)) // Hookpost's limit is 256 KiB
            .default_service(web::post().to(receive))
    };
    let server = HttpServer::new(app).bind(("127.0.0.1", port))?.run();
    Ok(rt::System::new().block_on(server)?)
}
