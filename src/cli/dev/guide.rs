//! The texts that `hookpost dev` prints.

use std::net::SocketAddr;

use uuid::Uuid;

use super::received::Received;

/// The name of the demonstration's inbox.
pub(super) const INBOX: &str = "demo";
/// The demonstration's message.
pub(super) const MESSAGE: &str =
    r#"{"type":"order.created","data":{"id":"order_1","total":19.90,"paid":true}}"#;
const NEXT_MESSAGE: &str = r#"{"type":"order.paid","data":{"id":"order_2","total":45.00}}"#;

/// The values that the texts show.
pub(super) struct Guide {
    /// The address of the API.
    pub(super) api: SocketAddr,
    /// The address of the inboxes.
    pub(super) inbox: SocketAddr,
    /// A token for the workspace.
    pub(super) token: String,
    /// The endpoint that points to the inbox.
    pub(super) endpoint: Uuid,
}

impl Guide {
    /// Returns the URL of the demonstration's inbox.
    pub(super) fn inbox_url(&self) -> String {
        format!("http://{}/inbox/{INBOX}", self.inbox)
    }

    /// Returns the text that shows what was made.
    pub(super) fn welcome(&self) -> String {
        format!(
            "Hookpost is running on this machine only.\n\n  \
             API       http://{}/api\n  \
             Inbox     {}  (a receiver; open it in a browser)\n  \
             Endpoint  {}  (sends every event to the inbox)\n",
            self.api,
            self.inbox_url(),
            self.endpoint,
        )
    }

    /// Returns the text with further commands to try. `temporary`: the data is removed when the program ends.
    pub(super) fn next_steps(&self, event: Uuid, temporary: bool) -> String {
        let data = if temporary {
            "; its data goes with it (keep it with --database FILE)"
        } else {
            ""
        };
        format!(
            "Publish another message:\n\n{}\n\n\
             See every attempt to deliver it:\n\n{}\n\n\
             Deliver the first event again:\n\n{}\n\n\
             Ctrl-C stops the server{data}.\n",
            self.curl(
                &format!("-X POST -H 'Content-Type: application/json' -d '{NEXT_MESSAGE}'"),
                "/api/webhooks/events"
            ),
            self.curl("", "/api/webhooks/deliveries"),
            self.curl(
                "-X POST",
                &format!("/api/webhooks/events/{event}/redeliver")
            ),
        )
    }

    /// Returns a command to paste into a shell. It quotes with single quotes, which no part of it contains.
    fn curl(&self, options: &str, path: &str) -> String {
        let space = if options.is_empty() { "" } else { " " };
        format!(
            "  curl -s {options}{space}-H 'Authorization: Bearer {}' 'http://{}{path}'",
            self.token, self.api
        )
    }
}

/// Returns the text for a message that arrived.
pub(super) fn arrived(received: &Received, millis: u128) -> String {
    format!(
        "Published a message; it arrived after {millis} ms, and its signature verified:\n\n  \
         webhook-id         {}\n  \
         webhook-timestamp  {}\n  \
         webhook-signature  {}\n  \
         {}\n",
        received.id, received.timestamp, received.signature, received.body,
    )
}
