//! Over real sockets, on the loopback address, and so in real time.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};
use tower::ServiceExt;
use tower_breaker::{State, agent::HttpGet};

use crate::{
    common::sockets::{refusing, serve_connections},
    support::*,
};

/// A server that gives each connection this answer, once it has read a request's head.
async fn server(answer: &'static [u8]) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    let address = serve_connections(move |mut stream| {
        let sender = sender.clone();
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await?);
            }
            let _ = sender.send(String::from_utf8(request).unwrap());
            stream.write_all(answer).await?;
            if answer.is_empty() {
                sleep(secs(60)).await;
            }
            Ok(())
        }
    })
    .await;
    (format!("http://{address}/health?full=1"), requests)
}

async fn get(address: &str) -> Result<(), String> {
    let check = HttpGet::new(address).unwrap();
    check.oneshot(()).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn any_2xx_is_healthy() {
    let (address, mut requests) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    get(&address).await.unwrap();
    let request = requests.recv().await.unwrap().to_lowercase();
    let (host, version) = (address[7..].split_once('/').unwrap().0, env!("CARGO_PKG_VERSION"));
    assert!(request.starts_with("get /health?full=1 http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {host}\r\n")), "{request}");
    assert!(
        request.contains(&format!("user-agent: tower-breaker/{version}\r\n")),
        "{request}"
    );
    // A long body isn't read.
    let (address, _requests) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbeginning").await;
    get(&address).await.unwrap();
}

#[tokio::test]
async fn any_other_status_is_not() {
    let (address, _requests) = server(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(get(&address).await.unwrap_err(), "it answered 503 Service Unavailable");
    let (address, _requests) = server(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(get(&address).await.unwrap_err(), "it answered 302 Found");
}

#[tokio::test]
async fn nor_is_one_that_refuses_hangs_up_or_talks_nonsense() {
    let (_socket, address) = refusing();
    let address = format!("http://{address}");
    let error = get(&address).await.unwrap_err();
    assert!(error.starts_with("it can't be reached: "), "{error}");
    for nonsense in [&b"220 smtp.example ready\r\n"[..], b"HTTP/1.1 "] {
        let (address, _requests) = server(nonsense).await;
        let error = get(&address).await.unwrap_err();
        assert!(error.starts_with("it doesn't answer in HTTP: "), "{error}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_given_up() {
    let (address, _requests) = server(b"").await;
    assert!(timeout(ms(50), get(&address)).await.is_err());
}

#[tokio::test]
async fn an_agent_trips_the_breaker_of_a_dead_server() {
    let (_socket, address) = refusing();
    let address = format!("http://{address}");
    let breaker = breaker();
    let agent = agent().every(ms(10)).build().unwrap();
    agent.watch(&breaker, HttpGet::new(address).unwrap()).unwrap();
    let trips = async {
        while breaker.state() == State::Closed {
            sleep(ms(5)).await;
        }
    };
    timeout(secs(10), trips).await.unwrap();
}

#[test]
fn what_is_no_address_is_refused() {
    for address in [
        "",
        "/health",
        "10.0.0.7:8080",
        "https://a.example/",
        "ftp://a.example/",
        "http:///health",
        "http://user:secret@a.example/",
        "http://a.example:99999/",
        "http://a.example:/",
        "http://a example/",
    ] {
        let error = HttpGet::new(address).unwrap_err().to_string();
        let expected = format!("uri must be an address such as \"http://10.0.0.7:8080/health\", but is {address:?}");
        assert_eq!(error, expected);
    }
    for address in ["http://a.example", "HTTP://[::1]:80/x?y=z", "http://10.0.0.7:8080/"] {
        HttpGet::new(address).unwrap();
    }
}
