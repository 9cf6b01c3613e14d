//! Accepts connections, and shuts down gracefully.

use std::{io, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::proxy::Proxy;

/// The most connections at a time. More of them wait to be accepted.
const CONNECTIONS: usize = 10_000;
/// How long requests that have begun may go on after the shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);

/// Serves until `stop` completes, then waits for the requests that have begun.
pub(crate) async fn serve(listener: TcpListener, proxy: Arc<Proxy>, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let (stream, client, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Probably out of file descriptors, which is temporary.
                eprintln!("gateway: no connection accepted: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let proxy = proxy.clone();
        let answer = service_fn(move |request| {
            let proxy = proxy.clone();
            async move { proxy.answer(request, client).await }
        });
        let connection = server.serve_connection(TokioIo::new(stream), answer).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // The client hung up, or has got an answer to what it sent.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        eprintln!("gateway: some requests were still going on after {} s", DRAIN.as_secs());
    }
}

type Accepted = (
    tokio::net::TcpStream,
    std::net::IpAddr,
    tokio::sync::OwnedSemaphorePermit,
);

async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, client) = listener.accept().await?;
    // Small answers should not wait for more data.
    let _ = stream.set_nodelay(true);
    Ok((stream, client.ip(), place))
}
