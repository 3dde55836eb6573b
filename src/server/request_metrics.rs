//! The counting of requests and publishes, by the outcome that the client sees.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};

use super::state::ServerState;
use crate::metrics::PublishOutcome;

/// The mark of a request that publishes. It is set before the caller is known, so that refused publishes count.
struct IsPublish;

/// Marks a request as one that publishes.
pub(crate) fn mark_as_publish(request: &HttpRequest) {
    request.extensions_mut().insert(IsPublish);
}

/// The mark of a publish whose answer repeats that of an earlier one.
struct IsReplay;

/// Marks a publish whose answer repeats that of an earlier one.
pub(crate) fn mark_as_replay(request: &HttpRequest) {
    request.extensions_mut().insert(IsReplay);
}

/// Counts a request whose response is known.
pub(crate) fn count(response: &ServiceResponse<BoxBody>) {
    let request = response.request();
    let Some(state) = request.app_data::<Data<ServerState>>() else {
        return;
    };
    let status = response.status();
    state.metrics.count_request(status.as_u16());
    let marks = request.extensions();
    if marks.contains::<IsPublish>() {
        let is_replay = marks.contains::<IsReplay>();
        state.metrics.count_publish(outcome(status, is_replay));
    }
}

fn outcome(status: StatusCode, is_replay: bool) -> PublishOutcome {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => PublishOutcome::Unauthorized,
        StatusCode::TOO_MANY_REQUESTS => PublishOutcome::Limited,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => {
            PublishOutcome::Unavailable
        }
        // The dashboard leads a browser to the page of the message.
        _ if status.is_success() || status.is_redirection() => {
            if is_replay {
                PublishOutcome::Replayed
            } else {
                PublishOutcome::Accepted
            }
        }
        _ if status.is_client_error() => PublishOutcome::Invalid,
        _ => PublishOutcome::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_that_of_the_answer() {
        let of = |status: u16, is_replay| outcome(StatusCode::from_u16(status).unwrap(), is_replay);
        assert_eq!(of(202, false), PublishOutcome::Accepted);
        assert_eq!(of(202, true), PublishOutcome::Replayed);
        assert_eq!(of(303, true), PublishOutcome::Replayed);
        for (status, expected) in [
            (303, PublishOutcome::Accepted),
            (400, PublishOutcome::Invalid),
            (401, PublishOutcome::Unauthorized),
            (403, PublishOutcome::Unauthorized),
            (409, PublishOutcome::Invalid),
            (413, PublishOutcome::Invalid),
            (422, PublishOutcome::Invalid),
            (429, PublishOutcome::Limited),
            (500, PublishOutcome::Error),
            (503, PublishOutcome::Unavailable),
            (507, PublishOutcome::Unavailable),
        ] {
            assert_eq!(of(status, false), expected, "{status}");
        }
    }
}
