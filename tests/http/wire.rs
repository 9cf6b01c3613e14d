//! Peers that speak by hand, and break off where they like.

use std::{future::pending, io, net::SocketAddr, ops::ControlFlow, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::common::{
    http2::{DATA, answer_requests, frame, go_away, head, reset},
    sockets::serve_connections,
};

/// RFC 9113, 7.
const INTERNAL_ERROR: u32 = 2;

/// What a peer does once it has said all that it will say.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    Closes,
    Resets,
    /// At a sign: what was said before it arrives, and isn't thrown away with the connection.
    ResetsAt(Arc<Notify>),
    Hangs,
}

async fn part(stream: TcpStream, then: Then) -> io::Result<()> {
    match then {
        Then::Closes => return Ok(()),
        Then::Resets => {}
        Then::ResetsAt(sign) => sign.notified().await,
        Then::Hangs => pending().await,
    }
    stream.set_zero_linger()
}

/// Answers the first request of each connection with these bytes.
pub(crate) async fn http1(says: &'static str, then: Then) -> SocketAddr {
    serve_connections(move |stream| answer_http1(stream, says, then.clone())).await
}

async fn answer_http1(mut stream: TcpStream, says: &str, then: Then) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream.write_all(says.as_bytes()).await?;
    part(stream, then).await
}

/// What a peer may say to a request on a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    Nothing,
    /// "200", and some of the body.
    HalfABody,
    /// That, and that the stream has failed.
    HalfABodyAndReset,
    /// That it goes away, and that it has handled no stream; with this error code.
    GoAway(u32),
}

impl Says {
    fn frames(self, stream: u32) -> Vec<u8> {
        let half = [head(stream), frame(DATA, 0, stream, b"half of ")].concat();
        match self {
            Self::Nothing => Vec::new(),
            Self::HalfABody => half,
            Self::HalfABodyAndReset => [half, reset(stream, INTERNAL_ERROR)].concat(),
            Self::GoAway(code) => go_away(0, code),
        }
    }
}

/// Answers the first request of each connection with these frames.
pub(crate) async fn http2(says: Says, then: Then) -> SocketAddr {
    serve_connections(move |stream| answer_http2(stream, says, then.clone())).await
}

async fn answer_http2(mut stream: TcpStream, says: Says, then: Then) -> io::Result<()> {
    answer_requests(&mut stream, |id| ControlFlow::Break(says.frames(id))).await?;
    part(stream, then).await
}
