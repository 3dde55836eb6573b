//! The start of the export of traces.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::TraceSettings;
use crate::spans::{CollectorSettings, Spans, parse_headers};

/// The reason why the headers for the collector cannot be used.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("cannot read {path} (--otlp-headers-file): {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has something else.
    #[error("cannot use {path} (--otlp-headers-file): {reason}")]
    Headers {
        /// The file.
        path: PathBuf,
        /// The fault, without its text.
        reason: String,
    },
}

/// Returns the place of the collector, if there is one.
pub(super) fn collector(settings: &TraceSettings) -> Result<Option<CollectorSettings>, TraceError> {
    let Some(url) = settings.otlp_endpoint.clone() else {
        return Ok(None);
    };
    let headers = match settings.otlp_headers_file.clone() {
        None => Vec::new(),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => {
                parse_headers(&text).map_err(|reason| TraceError::Headers { path, reason })?
            }
            Err(source) => return Err(TraceError::Read { path, source }),
        },
    };
    Ok(Some(CollectorSettings { url, headers }))
}

/// Starts to export traces, if there is a collector. If that fails, the server runs without.
pub(super) fn start(collector: Option<&CollectorSettings>) -> Spans {
    let Some(collector) = collector else {
        return Spans::default();
    };
    match Spans::start(collector) {
        Ok(spans) => {
            tracing::info!(collector = %collector.url, "traces are exported");
            spans
        }
        Err(error) => {
            tracing::error!(%error, "traces cannot be exported");
            Spans::default()
        }
    }
}
