//! The first page of a token that may not see webhooks.

use actix_web::HttpResponse;
use askama::Template;

use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::visit::Visit;
use crate::server::error::ApiError;

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    layout: Layout,
}

/// Shows what the token is for.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    let layout = Layout::new(&visit, Section::Overview, "Welcome").await?;
    html(&WelcomePage { layout })
}
