//! Why an attempt failed, and what to do about it, in words for a person who has just been woken up.
//!
//! The facts are those of the guides on retries, the network policy and troubleshooting.

use crate::domain::attempt_failure::AttemptFailure;

/// The cause of a failed attempt, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// The event in words: the cause of the result.
    pub(super) cause: String,
    /// The advice.
    pub(super) remedy: String,
}

impl Advice {
    fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    /// Returns the advice on an attempt without success: its status code, the reason why there was none, and the
    /// `response` of its delivery.
    pub(super) fn on(
        code: Option<u16>,
        failure: Option<AttemptFailure>,
        response: Option<&str>,
    ) -> Self {
        let response = response.unwrap_or_default();
        match (code, failure) {
            (Some(code), _) => on_status(code, response),
            (None, Some(failure)) => on_failure(failure, response),
            (None, None) => Self::new(
                "There was no answer.",
                "Send the event again; if it fails again, look at the log of the receiver.",
            ),
        }
    }
}

fn on_failure(failure: AttemptFailure, response: &str) -> Advice {
    let said = sentence(response);
    match failure {
        AttemptFailure::Dns if response.contains("leads to no address") => Advice::new(
            said,
            "Check the spelling of the host in the endpoint's URL. If the name belongs to a private network, the \
             server's log names the address that it refused; the operator can allow it with --allow-network.",
        ),
        AttemptFailure::Dns => Advice::new(
            or(said, "The name of the receiver did not resolve in time."),
            "The name servers are slow or do not answer. On the server's machine, try: getent ahosts HOST",
        ),
        AttemptFailure::AddressRefused => on_refused_address(response, said),
        AttemptFailure::Connect => Advice::new(
            or(said, "There was no connection to the receiver."),
            "Nothing listens at this host and port, or a firewall refuses. Is the receiver running, and are host \
             and port of the URL right? On the server's machine, try: curl -v URL",
        ),
        AttemptFailure::Tls => Advice::new(
            or(said, "TLS with the receiver failed."),
            "Renew or correct the receiver's certificate, or correct the host in the URL. For a certificate \
             authority of your own, the operator sets --ca-file.",
        ),
        AttemptFailure::Timeout => Advice::new(
            or(said, "The receiver did not answer in time."),
            "It may have handled the event all the same. Let the receiver answer first and work afterwards; or the \
             operator raises --request-timeout.",
        ),
        AttemptFailure::Protocol => Advice::new(
            or(said, "The answer was not whole, or not valid HTTP."),
            "Look at the log of the receiver, and of the proxy in front of it, at the time of this attempt.",
        ),
        AttemptFailure::Expired => Advice::new(
            "The time for this event ran out while it waited for an endpoint that rests after failures. No request \
             was made.",
            "Correct the endpoint, then redeliver the event: that begins the whole schedule anew.",
        ),
        AttemptFailure::Proxy => Advice::new(
            or(
                said,
                "The server's egress proxy made no connection to the receiver.",
            ),
            "This is for the operator: look at the log of the proxy (--egress-proxy). If it says that it cannot \
             connect, the receiver may be down.",
        ),
        AttemptFailure::Internal => Advice::new(
            or(said, "Hookpost itself failed, not the receiver."),
            "Look at the server's log. If it says \"too many open files\", raise that limit.",
        ),
    }
}

/// Returns the advice on an address, or a scheme, that the network policy forbids.
fn on_refused_address(response: &str, said: String) -> Advice {
    if response.starts_with("plain http:") {
        return Advice::new(
            "The URL begins with http:, which this server does not allow.",
            "Change the endpoint's URL to https:, or let the operator set --allow-http. There is no retry: \
             redeliver the event afterwards.",
        );
    }
    let found = response
        .strip_prefix("the address ")
        .and_then(|rest| rest.split_once(" is not allowed: "));
    let Some((address, kind)) = found else {
        return Advice::new(
            or(said, "The network policy forbids the receiver's address."),
            "Use a public address, or let the operator allow this one with --allow-network.",
        );
    };
    let kind = kind.split(';').next().unwrap_or_default();
    Advice::new(
        format!("The address {address} is not public: {kind}."),
        format!(
            "Allow it with --allow-network {address} when the server starts, or change the endpoint's URL to a \
             public address. There is no retry: redeliver the event afterwards."
        ),
    )
}

fn on_status(code: u16, response: &str) -> Advice {
    let first = response.lines().next().unwrap_or_default();
    if let Some(note) = response
        .lines()
        .take(2)
        .find(|line| line.starts_with("the endpoint's format is "))
    {
        return Advice::new(
            sentence(note),
            "Choose the other format in the endpoint's settings, then publish again: a redelivery sends the body \
             that was made for the old format.",
        );
    }
    match code {
        300..=303 | 305 | 307 | 308 => on_redirect(code, first),
        401 | 403 => Advice::new(
            format!("The receiver refused the request ({code})."),
            "Most often its check of the signature fails: compare the endpoint's secret with the receiver's, and \
             let it verify the raw body. Or a login is in front of it: give the endpoint its header.",
        ),
        404 => Advice::new(
            "The receiver has nothing at this path (404).",
            "Correct the path of the endpoint's URL.",
        ),
        405 => Advice::new(
            "The receiver takes no POST at this path (405).",
            "Correct the path of the endpoint's URL, or let the receiver accept POST.",
        ),
        408 => Advice::new(
            "The receiver gave up waiting for the request (408).",
            "It is slow or overloaded, or a proxy in front of it is. A retry may work.",
        ),
        410 => Advice::new(
            "The receiver says that it is gone for good (410). That disables the endpoint, without a retry.",
            "If it is back, enable the endpoint, then redeliver what it missed.",
        ),
        413 => Advice::new(
            "The event is too large for the receiver (413).",
            "Raise the limit of the receiver, or publish a link to the data.",
        ),
        415 | 422 | 400 => Advice::new(
            format!("The receiver does not understand the event ({code})."),
            "See what its answer says. Does it expect another format or version of the payload?",
        ),
        429 => Advice::new(
            "The receiver asks for fewer requests (429).",
            "Its Retry-After is respected: the next attempt waits for it. Raise its limit if that happens often.",
        ),
        502 | 504 => Advice::new(
            format!("A proxy in front of the receiver got no answer from it ({code})."),
            "Is the receiver itself running? Look at the log of the proxy.",
        ),
        503 => Advice::new(
            "The receiver is overloaded or down for maintenance (503).",
            "Its Retry-After is respected: the next attempt waits for it.",
        ),
        500..=599 => Advice::new(
            format!("The receiver failed ({code})."),
            "Look at its log at the time of this attempt, then redeliver.",
        ),
        _ => Advice::new(
            format!("The receiver answered {code}. Only a 2xx counts as delivered."),
            "See what its answer says.",
        ),
    }
}

fn on_redirect(code: u16, note: &str) -> Advice {
    let cause = format!("The URL redirects ({code}), and redirects are not followed.");
    match note.split_once("; this one points to ") {
        Some((_, target)) if target.starts_with("http") => Advice::new(
            cause,
            format!(
                "Change the endpoint's URL to {target}, if that is the receiver. Then redeliver."
            ),
        ),
        _ => Advice::new(
            cause,
            "Change the endpoint's URL to the one that the receiver redirects to. Then redeliver.",
        ),
    }
}

/// Returns a text of the server as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(letters).collect();
    if !sentence.is_empty() && !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

fn or(said: String, otherwise: &str) -> String {
    if said.is_empty() {
        otherwise.to_owned()
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(failure: AttemptFailure, response: &str) -> Advice {
        Advice::on(None, Some(failure), Some(response))
    }

    #[test]
    fn a_private_address_names_the_setting_that_allows_it() {
        let advice = failed(
            AttemptFailure::AddressRefused,
            "the address 10.0.0.5 is not allowed: private network (RFC 1918); the operator can allow its network with --allow-network",
        );
        assert_eq!(
            advice.cause,
            "The address 10.0.0.5 is not public: private network (RFC 1918)."
        );
        assert!(
            advice.remedy.contains("--allow-network 10.0.0.5 "),
            "{advice:?}"
        );
        let advice = failed(
            AttemptFailure::AddressRefused,
            "plain http: URLs are not allowed; use https:",
        );
        assert!(advice.remedy.contains("--allow-http."), "{advice:?}");
        let advice = failed(AttemptFailure::AddressRefused, "");
        assert!(advice.remedy.contains("--allow-network."), "{advice:?}");
    }

    #[test]
    fn a_redirect_names_the_new_url() {
        let note = "redirects are not followed; this one points to https://b.example/hook\n\nmoved";
        let advice = Advice::on(Some(308), None, Some(note));
        assert!(
            advice.remedy.contains("URL to https://b.example/hook,"),
            "{advice:?}"
        );
        let advice = Advice::on(Some(302), None, None);
        assert!(advice.remedy.contains("redirects to"), "{advice:?}");
    }

    #[test]
    fn every_failure_and_code_has_a_cause_and_a_remedy() {
        for failure in AttemptFailure::ALL {
            for response in ["", "no connection: Connection refused"] {
                let advice = failed(failure, response);
                assert!(advice.cause.ends_with('.'), "{advice:?}");
                assert!(!advice.remedy.is_empty(), "{failure}");
            }
        }
        for code in 100..600 {
            let advice = Advice::on(Some(code), None, None);
            assert!(advice.cause.contains(&code.to_string()), "{advice:?}");
            assert!(!advice.remedy.is_empty(), "{code}");
        }
        assert_eq!(Advice::on(None, None, None).cause, "There was no answer.");
    }

    #[test]
    fn a_wrong_format_comes_before_the_code() {
        let advice = Advice::on(
            Some(400),
            None,
            Some("the endpoint's format is slack, but its URL is Discord's\n\n{}"),
        );
        assert!(
            advice.cause.starts_with("The endpoint's format is slack"),
            "{advice:?}"
        );
    }
}
