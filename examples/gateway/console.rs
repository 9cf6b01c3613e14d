//! The console on a port of its own.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::Service;
use tower_breaker::{
    console::{Console, Identity},
    registry::Registry,
};

/// The most connections at a time. More of them wait.
const CONNECTIONS: usize = 300;

/// Builds the page for these breakers. With `operate`, everyone who reaches it may operate them.
pub(crate) fn page(registry: &Registry, operate: bool) -> Console {
    let console = Console::builder(registry);
    if operate {
        console.authorize(|_| Ok(Identity::new("the console"))).build()
    } else {
        console.build()
    }
}

/// Serves the page for as long as this future is polled.
pub(crate) async fn serve(listener: TcpListener, console: Console) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = connections.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let console = console.clone();
        let answer = service_fn(move |request| console.clone().call(request));
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // The reader hung up.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            drop(place);
        });
    }
}
