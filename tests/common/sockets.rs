//! Servers on the loopback address that speak by hand, and waiting for them.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::durations::{ms, secs};

/// Fails a test that hangs, on however slow a machine.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(secs(20), future).await.expect("it hangs")
}

/// Waits until another task, or another socket, has made it so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    within(async {
        while !is_so() {
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
}

/// Binds a port that is free.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs this on each connection, until the test ends.
pub(crate) async fn serve_connections<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// An address that refuses connections for as long as the socket is kept. A port that is merely
/// free may be taken by another test.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
