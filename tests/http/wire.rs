//! Peers that speak by hand, and break off where they like.

use std::{future::pending, io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::talk;

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
    talk(move |stream| answer_http1(stream, says, then.clone())).await
}

async fn answer_http1(mut stream: TcpStream, says: &str, then: Then) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream.write_all(says.as_bytes()).await?;
    part(stream, then).await
}

/// Frames of HTTP/2 (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
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
        // The one byte is ":status: 200" in HPACK's static table.
        let half = [
            frame(HEADERS, END_HEADERS, stream, &[0x88]),
            frame(DATA, 0, stream, b"half of "),
        ]
        .concat();
        match self {
            Self::Nothing => Vec::new(),
            Self::HalfABody => half,
            Self::HalfABodyAndReset => [half, frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes())].concat(),
            Self::GoAway(code) => frame(GOAWAY, 0, 0, &[0_u32.to_be_bytes(), code.to_be_bytes()].concat()),
        }
    }
}

/// Answers the first request of each connection with these frames.
pub(crate) async fn http2(says: Says, then: Then) -> SocketAddr {
    talk(move |stream| answer_http2(stream, says, then.clone())).await
}

async fn answer_http2(mut stream: TcpStream, says: Says, then: Then) -> io::Result<()> {
    // "PRI * HTTP/2.0", and so on.
    stream.read_exact(&mut [0; 24]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags != ACK => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS => {
                stream.write_all(&says.frames(u32::from_be_bytes(id))).await?;
                return part(stream, then).await;
            }
            _ => {}
        }
    }
}
