//! Requests that no library would write, byte by byte: what two parties could understand
//! differently must not pass.

use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::{BodyExt, Collected};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{common::sockets::serve_connections, support::*};

/// An instance that keeps the bodies, and the paths, of what it was asked.
async fn instance() -> (Instance, Arc<Mutex<Vec<(String, String)>>>) {
    let seen: Arc<Mutex<Vec<_>>> = Arc::default();
    let kept = seen.clone();
    let instance = Instance::new(move |request| {
        let kept = kept.clone();
        Box::pin(async move {
            let path = request.uri().to_string();
            let body = request.into_body().collect().await.map(Collected::to_bytes);
            let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
            kept.lock().unwrap().push((path, body));
            Response::new(full("ok"))
        })
    })
    .await;
    (instance, seen)
}

/// What the gateway answers to these bytes, until it hangs up or has nothing more to say; and what
/// reached the instance.
async fn answers(bytes: &[u8]) -> (String, Vec<(String, String)>) {
    let (instance, seen) = instance().await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    // The gateway may hang up before the end.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(read @ 1..)) = timeout(ms(500), stream.read(&mut buffer)).await {
        answer.extend(&buffer[..read]);
    }
    let seen = seen.lock().unwrap().clone();
    (String::from_utf8_lossy(&answer).into_owned(), seen)
}

fn statuses(answer: &str) -> Vec<&str> {
    let heads = answer.match_indices("HTTP/1.1 ");
    heads.map(|(at, version)| &answer[at + version.len()..][..3]).collect()
}

#[tokio::test]
async fn two_lengths_that_differ_are_refused() {
    for lengths in [
        "content-length: 4\r\ncontent-length: 5",
        "content-length: 4, 5",
        "content-length: 4\r\ncontent-length: +4",
    ] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{lengths}\r\n\r\nabcdef");
        let (answer, seen) = answers(request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{lengths}: {answer}");
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn lengths_that_are_no_numbers_are_refused() {
    for length in ["-1", "0x4", "4 4", "99999999999999999999999", ""] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\nabcd");
        let (answer, seen) = answers(request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{length}: {answer}");
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn with_both_a_length_and_chunks_the_chunks_decide_and_the_length_is_not_sent_on() {
    // By its length, the body would have a second request in it.
    let smuggled = "GET /admin HTTP/1.1\r\nhost: a\r\n\r\n";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
        smuggled.len()
    );
    let (answer, seen) = answers(request.as_bytes()).await;
    match statuses(&answer).as_slice() {
        ["400"] => assert!(seen.is_empty()),
        ["200"] => assert_eq!(seen, [("/".to_owned(), smuggled.to_owned())]),
        other => panic!("{other:?}: {answer}"),
    }
    // And the other way round.
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        smuggled.len() + 5
    );
    let (_, seen) = answers(request.as_bytes()).await;
    // What follows the chunks is the client's own next request, on its own connection; none has it
    // in its body.
    assert!(seen.iter().all(|(_, body)| body.is_empty()), "{seen:?}");
}

#[tokio::test]
async fn an_encoding_that_is_not_known_is_refused() {
    for encoding in ["gzip", "chunked, gzip", "xchunked", "\x0bchunked"] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {encoding}\r\n\r\n0\r\n\r\n");
        let (answer, seen) = answers(request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{encoding}: {answer}");
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn broken_chunks_and_folded_lines_are_refused_and_no_body_is_taken_for_whole() {
    let (answer, _) =
        answers(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n").await;
    assert!(!statuses(&answer).contains(&"200"), "{answer}");
    let (answer, seen) = answers(b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded\r\n\r\n").await;
    assert_eq!(statuses(&answer), ["400"], "{answer}");
    assert!(seen.is_empty());
    let (answer, seen) = answers(b"GET / HTTP/1.1\r\nhost : a\r\n\r\n").await;
    assert_eq!(statuses(&answer), ["400"], "{answer}");
    assert!(seen.is_empty());
}

#[tokio::test]
async fn huge_headers_are_refused() {
    let huge = "x".repeat(1 << 20);
    let (answer, seen) = answers(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {huge}\r\n\r\n").as_bytes()).await;
    assert!(answer.is_empty() || statuses(&answer) == ["431"], "{answer}");
    assert!(seen.is_empty());
    let many = "x: 1\r\n".repeat(1000);
    let (answer, seen) = answers(format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(statuses(&answer), ["431"], "{answer}");
    assert!(seen.is_empty());
}

#[tokio::test]
async fn an_upgrade_is_not_made_and_the_request_is_an_ordinary_one() {
    let request = b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let (answer, seen) = answers(request).await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    assert_eq!(seen, [("/chat".to_owned(), String::new())]);
}

#[tokio::test]
async fn a_tunnel_is_refused() {
    let (answer, seen) = answers(b"CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n").await;
    assert_eq!(statuses(&answer), ["501"], "{answer}");
    assert!(seen.is_empty());
}

#[tokio::test]
async fn an_absolute_uri_goes_to_the_instance_and_nowhere_else() {
    let (answer, seen) = answers(b"GET http://elsewhere.example/x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(statuses(&answer), ["200"], "{answer}");
    assert_eq!(seen, [("/x".to_owned(), String::new())]);
}

#[tokio::test]
async fn requests_one_after_the_other_on_a_connection_are_kept_apart() {
    let request = b"POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nhost: a\r\n\r\n";
    let (answer, seen) = answers(request).await;
    assert_eq!(statuses(&answer), ["200", "200"], "{answer}");
    assert_eq!(
        seen,
        [("/1".to_owned(), "abc".to_owned()), ("/2".to_owned(), String::new())]
    );
}

#[tokio::test]
async fn a_request_that_names_no_host_or_two_is_refused() {
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let (answer, seen) = answers(format!("GET / HTTP/1.1\r\n{hosts}\r\n").as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{answer}");
        assert!(seen.is_empty());
    }
}

#[tokio::test]
async fn a_coding_that_would_be_lost_is_refused() {
    for codings in ["gzip, chunked", "gzip\r\ntransfer-encoding: chunked"] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {codings}\r\n\r\n0\r\n\r\n");
        let (answer, seen) = answers(request.as_bytes()).await;
        assert!(statuses(&answer).starts_with(&["501"]), "{answer}");
        assert!(seen.is_empty());
    }
}

/// What a client gets of an instance that answers these bytes.
async fn passed_on(response: &'static [u8]) -> (u16, Vec<u8>) {
    let address = serve_connections(move |mut stream| async move {
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await;
        stream.write_all(response).await
    })
    .await;
    let table = format!("[services.main]\ninstances = ['http://{address}']\n");
    let gateway = Gateway::start(&routed_to_main(&table)).await;
    let (status, body) = gateway.get("/").await;
    (status.as_u16(), body.into_bytes())
}

#[tokio::test]
async fn what_an_instance_answers_is_not_cut_short_nor_mixed_up() {
    let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n";
    assert_eq!(passed_on(chunks).await, (200, b"abcdef".to_vec()));
    let gzip = b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    assert_eq!(passed_on(gzip).await.0, 502);
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    assert_eq!(passed_on(switched).await.0, 502);
}

/// In real time, as sockets are: failures trip once they have lasted for half a second.
#[tokio::test]
async fn clients_that_hang_up_while_they_send_trip_nothing() {
    let (instance, _seen) = instance().await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&instance], ""))).await;
    let start = tokio::time::Instant::now();
    while start.elapsed() < ms(1500) {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let half = b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc";
        stream.write_all(half).await.unwrap();
        tokio::time::sleep(ms(5)).await;
        drop(stream);
    }
    let breaker = gateway.registry().get("main/a").unwrap();
    assert_eq!(breaker.state(), tower_breaker::State::Closed);
    assert!(breaker.snapshot().totals.primary.calls > 50);
    assert_eq!(gateway.get("/").await.0, 200);
}

#[tokio::test]
async fn an_old_client_gets_its_answer() {
    let (answer, seen) = answers(b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("ok"), "{answer}");
    assert_eq!(seen.len(), 1);
}
