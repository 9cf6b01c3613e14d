//! HTTP/2 written frame by frame, well-formed or not.

use std::{io, ops::ControlFlow};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

// RFC 9113, 6.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// "PRI * HTTP/2.0", and so on.
const PREFACE: usize = 24;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn go_away(last_stream: u32, code: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

/// `:status: 200`, number 8 of HPACK's static table.
pub(crate) fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

/// Answers each request with these bytes, given its stream's number. Returns after an answer that
/// breaks.
pub(crate) async fn answer_requests(
    stream: &mut TcpStream,
    answer: impl Fn(u32) -> ControlFlow<Vec<u8>, Vec<u8>>,
) -> io::Result<()> {
    stream.read_exact(&mut [0; PREFACE]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        let [l0, l1, l2, kind, flags, id @ ..] = header;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS => match answer(u32::from_be_bytes(id)) {
                ControlFlow::Continue(bytes) => stream.write_all(&bytes).await?,
                ControlFlow::Break(bytes) => return stream.write_all(&bytes).await,
            },
            _ => {}
        }
    }
}
