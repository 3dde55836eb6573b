//! The fields of requests that take one of several words, as schemas with a name in the OpenAPI document. A
//! client that is generated from the document has one type for each, wherever the field occurs. The words of
//! responses are open, since there may be more one day, and are plain texts for such a client.

use crate::domain::access::Scope;
use crate::domain::delivery::CodeClass;
use crate::domain::endpoint::Format;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::event::EventStatus;
use crate::domain::job::{JobAction, JobState, SelectedStatus};
use crate::domain::secret::SecretType;
use crate::server::schema::{Definition, Described, Schema};

macro_rules! choices {
    ($($kind:ty = $name:literal: $about:literal),* $(,)?) => {
        /// Returns the definitions of all of them.
        pub(super) fn choices() -> Vec<Definition> {
            vec![$(definition($name, $about, &<$kind>::ALL.map(<$kind>::as_str))),*]
        }

        $(impl Described for $kind {
            fn schema() -> Schema {
                Schema::reference(&definition($name, $about, &<$kind>::ALL.map(<$kind>::as_str)))
            }
        })*
    };
}

choices! {
    Format = "WebhookFormat": "A form of the bodies that an endpoint gets.",
    SecretType = "SecretType": "The kind of signatures that a secret makes.",
    EndpointState = "WebhookEndpointState": "The state of an endpoint, for filters.",
    EventStatus = "EventStatus": "The status of an event, for filters.",
    CodeClass = "HttpCodeClass": "A class of HTTP status codes, for filters.",
    JobAction = "JobAction": "The action of a job on each event.",
    JobState = "JobState": "The state of a job, for filters.",
    SelectedStatus = "JobStatusFilter": "A status by which a job selects. `missing`: messages that the endpoint wants and has no event of.",
    Scope = "Scope": "An action that a token can allow.",
}

fn definition(name: &str, about: &str, words: &[&'static str]) -> Definition {
    (name.to_owned(), Schema::words(words).about(about))
}
