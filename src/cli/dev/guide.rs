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
    /// The path and query that sign the developer in to the dashboard, once.
    pub(super) sign_in: String,
}

impl Guide {
    /// Returns the URL of the demonstration's inbox.
    pub(super) fn inbox_url(&self) -> String {
        format!("http://{}/inbox/{INBOX}", self.inbox)
    }

    /// Returns the text that shows what was made.
    pub(super) fn welcome(&self) -> String {
        format!(
            "Hookpost {} is running on this machine only.\n\n  \
             Dashboard  http://{}{}  (signs you in, once)\n  \
             API        http://{}/api\n  \
             Reference  http://{}/docs  (to read and to try in a browser)\n  \
             Inbox      {}  (a receiver; open it in a browser)\n  \
             Endpoint   {}  (sends every event to the inbox)\n",
            env!("CARGO_PKG_VERSION"),
            self.api,
            self.sign_in,
            self.api,
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
            "To try more, open another terminal and set there:\n\n  \
             export API=http://{}/api TOKEN={} INBOX=http://{}/inbox\n\n\
             Publish another message:\n\n{}\n\n\
             See every attempt to deliver it:\n\n{}\n\n\
             Deliver the first event again:\n\n{}\n\n\
             Ctrl-C stops the server{data}.\n\n\
             Every attempt is a line from here on:\n",
            self.api,
            self.token,
            self.inbox,
            curl(
                &format!(" \\\n    -H 'Content-Type: application/json' -d '{NEXT_MESSAGE}'"),
                "/webhooks/events"
            ),
            curl("", "/webhooks/deliveries"),
            curl(" -X POST", &format!("/webhooks/events/{event}/redeliver")),
        )
    }
}

/// Returns a command to paste into a shell that has the variables of the guide.
fn curl(options: &str, path: &str) -> String {
    format!("  curl -s \"$API{path}\" -H \"Authorization: Bearer $TOKEN\"{options}")
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
