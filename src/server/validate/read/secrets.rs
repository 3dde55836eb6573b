//! The readers of signing secrets and of their types.

use super::super::{FieldContext, InputValue, Violation};
use super::{choice, text};
use crate::domain::secret::{
    GivenSecret, KEY_BYTES, KEY_PAIR_BYTES, SECRET_MAX, SECRET_MIN, SEED_BYTES, Secret,
    SecretProblem, SecretType,
};
use crate::server::schema::Schema;

/// Reads the secret of a new endpoint, which the caller chose.
pub(crate) fn secret(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Secret> {
    parsed(value, context, Secret::parse)
}

/// Reads the secret of an endpoint that exists: a new one, or the public key that answers show.
pub(crate) fn given_secret(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<GivenSecret> {
    parsed(value, context, GivenSecret::parse)
}

fn parsed<T>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    parse: fn(&str) -> Result<T, SecretProblem>,
) -> Option<T> {
    context.accepts(|| {
        Schema::text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")
            .with("minLength", SECRET_MIN)
            .with("maxLength", SECRET_MAX)
    })?;
    let text = text(value, context)?;
    match parse(&text) {
        Ok(secret) => Some(secret),
        Err(problem) => context.refuse(value, violation(problem)),
    }
}

/// Returns the violation of a text that cannot be a secret.
fn violation(problem: SecretProblem) -> Violation {
    match problem {
        SecretProblem::TooShort => Violation::StringTooShort(SECRET_MIN),
        SecretProblem::TooLong => Violation::StringTooLong(SECRET_MAX),
        SecretProblem::BadKey => Violation::Value(
            format!(
                "a secret that starts with whsec_ must go on with base64 of {} to {} bytes",
                KEY_BYTES.start(),
                KEY_BYTES.end()
            )
            .into(),
        ),
        SecretProblem::NearlyWhsec => Violation::Value(
            "a secret of Standard Webhooks starts with whsec_, in lower case and with nothing before \
             it; as it is, no receiver could verify with it"
                .into(),
        ),
        SecretProblem::BadKeyPair => Violation::Value(
            format!(
                "a secret that starts with whsk_ must go on with base64 of an ed25519 key pair ({KEY_PAIR_BYTES} \
                 bytes: the seed, then the public key) or of its seed ({SEED_BYTES} bytes)"
            )
            .into(),
        ),
        SecretProblem::KeysDisagree => Violation::Value(
            "the public key in the second half is not that of the seed in the first half".into(),
        ),
        SecretProblem::NearlyKeyPair => Violation::Value(
            "an ed25519 key pair of Standard Webhooks starts with whsk_, in lower case and with nothing before it"
                .into(),
        ),
        SecretProblem::PublicKey => Violation::Value(
            "whpk_ is a public key, and nothing can sign with it: send the key pair (whsk_), or secret_type to get \
             a new one"
                .into(),
        ),
    }
}

/// Reads the type of a secret. `sent` is that of the secret in the same request, if it has one.
pub(crate) fn secret_type(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    sent: Option<SecretType>,
) -> Option<SecretType> {
    let names = SecretType::ALL.map(SecretType::as_str);
    let kind = choice(value, context, &names, SecretType::parse, Violation::Enum)?;
    match sent {
        Some(sent) if sent != kind => {
            let what = format!("the secret that was sent is of the type {}", sent.as_str());
            context.refuse(value, Violation::Value(what.into()))
        }
        _ => Some(kind),
    }
}
