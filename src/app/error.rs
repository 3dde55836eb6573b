//! The errors of a start, and of a server that ends by itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use super::traces::TraceError;
use crate::config::{CertificateError, KeyFileError, ListenAddress};
use crate::delivery::EngineError;
use crate::delivery::http_client::HttpClientError;
use crate::server::TlsError;
use crate::storage::sqlite::{CloseError, OpenError};

/// The reason why a server did not start, or ended by itself. Each is one line for the operator.
#[derive(Debug, Error)]
pub enum AppError {
    /// Another program has the port, or the address is not this machine's.
    #[error("cannot listen on {addr} (--listen): {source}")]
    Listen {
        /// The address of the setting.
        addr: ListenAddress,
        /// The system's error.
        source: io::Error,
    },
    /// The certificate of the API cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client certificate for receivers cannot be used.
    #[error(transparent)]
    ClientCertificate(#[from] CertificateError),
    /// The same, for the address of the metrics.
    #[error("cannot listen on {addr} for metrics (--metrics-listen): {source}")]
    ListenForMetrics {
        /// The address of the setting.
        addr: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The keys of stored secrets cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The file of certificates to trust cannot be read.
    #[error("cannot read {path} (--ca-file, HOOKPOST_CA_FILE): {source}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The headers for the collector of traces cannot be used.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// The HTTP client for deliveries cannot be set up.
    #[error(transparent)]
    HttpClient(#[from] HttpClientError),
    /// The delivery engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The API did not start, or ended by itself.
    #[error("the HTTP server ended: {0}")]
    Server(io::Error),
    /// The server stopped, but its last checkpoint failed. The next start moves the rest of the write-ahead
    /// log into the database file.
    #[error(transparent)]
    Close(#[from] CloseError),
}
