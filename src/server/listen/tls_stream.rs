//! A stream of TLS whose handshake is made while it is read.
//!
//! So the limits on connections hold during the handshake as during a request: their number, and the time in
//! which the head of a request must arrive. A handshake computes only when it has its
//! [turn](super::handshake_turns).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::{ActixStream, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream as Established;
use tokio_rustls::{Accept, TlsAcceptor};

use super::handshake_turns::{Flight, HandshakeTurns, TurnPlace};

/// A connection of a client that must speak TLS.
pub(super) enum TlsStream {
    /// The handshake is not complete.
    Handshake(Box<Handshake>),
    /// Bytes go in and out.
    Open(Box<Established<TcpStream>>),
    /// The handshake has failed; the client was told why.
    Failed,
}

impl TlsStream {
    pub(super) fn accept(
        acceptor: &TlsAcceptor,
        turns: &Rc<HandshakeTurns>,
        stream: TcpStream,
    ) -> Self {
        Self::Handshake(Box::new(Handshake {
            accept: acceptor.accept(stream),
            place: turns.place(),
            flight: Flight::First,
        }))
    }

    /// Returns the stream for writing. Before the end of the handshake there is nothing to answer but that the
    /// client took too long, and it could not read that: the connection ends.
    fn open(&mut self) -> io::Result<Pin<&mut Established<TcpStream>>> {
        match self {
            Self::Open(stream) => Ok(Pin::new(&mut **stream)),
            Self::Handshake(_) | Self::Failed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// A handshake that is not complete.
pub(super) struct Handshake {
    accept: Accept<TcpStream>,
    place: TurnPlace,
    flight: Flight,
}

impl Handshake {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Established<TcpStream>>> {
        // Without a stream the handshake has failed already, and says why.
        if let Some(stream) = self.accept.get_ref()
            && let Poll::Ready(Ok(readiness)) = ActixStream::poll_read_ready(stream, context)
        {
            // After the answer a client may close its half, once it has sent its request.
            if self.flight == Flight::First && readiness.is_read_closed() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.place.poll_turn(self.flight, context));
            self.flight = Flight::Later;
            let Self { accept, place, .. } = self;
            return place.take(|| Pin::new(accept).poll(context));
        }
        // There are no bytes to compute on, but an answer may wait to be sent.
        Pin::new(&mut self.accept).poll(context)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Self::Handshake(handshake) = &mut *self {
            *self = match ready!(handshake.poll(context)) {
                Ok(stream) => Self::Open(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake of a client failed");
                    Self::Failed
                }
            };
        }
        self.open()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Flushes what was written. Before the end of the handshake, that is nothing.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Open(stream) => Pin::new(&mut **stream).poll_flush(context),
            Self::Handshake(_) | Self::Failed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Open(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Self::Handshake(handshake) => match handshake.accept.get_mut() {
                Some(stream) => Pin::new(stream).poll_shutdown(context),
                None => Poll::Ready(Ok(())),
            },
            Self::Failed => Poll::Ready(Ok(())),
        }
    }
}
