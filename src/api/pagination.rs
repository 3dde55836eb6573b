//! Pages of lists: the JSON of a page.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

use super::objects::{Render, Rendered, json};
use super::slices::{READ_BYTES, Read, Rows};
use super::streamed;
use crate::domain::clock::Timestamp;
use crate::server::call::Call;
use crate::server::error::ApiError;
use crate::server::inputs::page::LIMIT_DEFAULT;
use crate::server::schema::{Definition, Described, Schema, object};
use crate::storage::{Listed, ListedMessages, Page, Paged, Store, StoreError};

#[derive(Serialize)]
#[serde(bound = "")]
struct ListJson<'a, T: Render> {
    data: Vec<Rendered<'a, T>>,
    meta: MetaJson,
}

object! {
    /// The position of a page in its list.
    pub(crate) struct MetaJson = "ListMeta" {
        /// The exact number of objects that match the filters.
        total: u64,
        /// The number of this page, from 1 on.
        page: u64 = Schema::integer(1, 1),
        /// The most objects of a page.
        per_page: u64 = Schema::integer(1, LIMIT_DEFAULT),
        /// The number of pages.
        pages: u64,
        /// The number of rows that were searched; only with a `query` that is not a whole id, or with `missing_for`.
        #[serde(skip_serializing_if = "Option::is_none")]
        searched: Option<u64> = Schema::integer(0, 1),
        /// Only with `missing_for`, if there was no time to search all messages: the `created_at` of the oldest message
        /// that was searched. The list goes on with this as `end_timestamp`.
        #[serde(skip_serializing_if = "Option::is_none")]
        searched_back_to: Option<Timestamp> = Timestamp::schema(),
    }
}

/// Returns the definition of the list of these objects.
pub(crate) fn list_definition<T: Render>() -> Definition {
    let properties = vec![
        ("data".to_owned(), Schema::list(T::schema()), true),
        ("meta".to_owned(), MetaJson::schema(), true),
    ];
    let (name, _) = T::definition();
    let about = format!("A page of a list of `{name}`, newest first.");
    (format!("{name}List"), Schema::object(&about, properties))
}

impl MetaJson {
    const fn new(page: Page, total: u64, searched: Option<u64>) -> Self {
        Self {
            total,
            page: page.number,
            per_page: page.limit,
            pages: total.div_ceil(page.limit),
            searched,
            searched_back_to: None,
        }
    }
}

/// Returns the response for a page of rows that may be large. `list` finds the rows and reads the first ones;
/// `read` reads the others. The last parameter of both is the most bytes of text to read.
pub(super) async fn stream<T: Render + Send + 'static>(
    call: &Call,
    page: Page,
    list: impl FnOnce(&dyn Store, usize) -> Result<Paged<T>, StoreError> + Send + 'static,
    read: Read<T>,
) -> Result<HttpResponse, ApiError> {
    let find = move |store: &dyn Store| {
        let paged = list(store, READ_BYTES)?;
        let meta = MetaJson::new(page, paged.total, paged.searched);
        Ok(Rows::list(paged, &meta, read))
    };
    streamed::respond(call, find).await
}

/// Returns the response for a page of messages.
pub(super) fn respond_with_messages(found: &ListedMessages, page: Page) -> HttpResponse {
    let listed = &found.listed;
    let body = ListJson {
        data: listed.items.iter().map(Rendered).collect(),
        meta: MetaJson {
            searched_back_to: found.searched_back_to,
            ..MetaJson::new(page, listed.total, listed.searched)
        },
    };
    json(StatusCode::OK, &body)
}

/// Returns the response for a page of small rows, of some hundred bytes each.
pub(crate) fn respond<T: Render>(listed: &Listed<T>, page: Page) -> HttpResponse {
    let body = ListJson {
        data: listed.items.iter().map(Rendered).collect(),
        meta: MetaJson::new(page, listed.total, listed.searched),
    };
    json(StatusCode::OK, &body)
}
