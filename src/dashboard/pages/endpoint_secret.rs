//! The rotation of an endpoint's secret, and the end of the overlap with old ones.

use actix_web::HttpResponse;
use serde_json::Value;

use super::endpoint::page;
use crate::dashboard::form::FormProblems;
use crate::dashboard::secret_form::SecretForm;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::domain::signing_secrets::SecretRotation;
use crate::server::error::ApiError;
use crate::server::inputs::secret_rotation::secret_rotation;
use crate::server::validate::Input;
use crate::storage::StoreError;

/// Handles `POST /endpoints/{id}/secret`: rotates the secret as the form says, or ends the overlap.
pub(crate) async fn rotate(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let sent = visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let (visibility, id) = (visit.visibility(), visit.path_id()?);
    let form = SecretForm::of(&sent.fields, visit.default_overlap());
    let rotation = match read(&visit, &form) {
        Ok(rotation) => rotation,
        Err(problems) => return page(&visit, id, form, problems).await,
    };
    let rotated = visit.store().rotate_secret(visibility, id, rotation).await;
    let endpoint = match rotated {
        Err(StoreError::OtherPublicKey) => {
            let mut problems = FormProblems::default();
            problems.add(
                "secret",
                "Nothing can sign with a public key: paste the key pair (whsk_…)",
            );
            return page(&visit, id, form, problems).await;
        }
        rotated => rotated?,
    };
    let overlaps = endpoint.settings.target.secrets.overlap_ends_at().is_some();
    visit.notify(match (form.ends_overlap, overlaps) {
        (true, _) => "From now on only the present secret signs.",
        (false, true) => {
            "The secret was rotated. Attempts are signed with the new one and, for a while, with the old one, too: \
             give the new one to the receiver."
        }
        (false, false) => {
            "The secret was replaced. Attempts that start now are signed with the new one only: give it to the receiver."
        }
    });
    Ok(redirect(&format!("/endpoints/{id}#secret")))
}

/// Reads the form with the readers of the API.
fn read(visit: &Visit, form: &SecretForm) -> Result<SecretRotation, FormProblems> {
    if form.ends_overlap {
        return Ok(SecretRotation::end_of_overlap());
    }
    let text = Value::Object(form.to_json()).to_string();
    let mut input = Input::new(&visit.id, "");
    input.json(&text);
    let rotation = secret_rotation(&mut input, visit.default_overlap());
    let ok = input
        .finish()
        .map_err(|problems| FormProblems::of(&problems))?;
    Ok(rotation(&ok).1)
}
