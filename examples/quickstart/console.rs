//! The console: a page that shows and operates the breakers.

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::Service;
use tower_breaker::{
    console::{Console, Identity},
    registry::Registry,
};

/// Serves the page for as long as this future is polled. Accepts every operator, because the server
/// listens on this machine only.
pub(crate) async fn serve(listener: TcpListener, registry: Registry) {
    let console = Console::builder(&registry)
        .authorize(|_| Ok(Identity::new("the console")))
        .build();
    while let Ok((stream, _)) = listener.accept().await {
        let console = console.clone();
        let answer = service_fn(move |request| console.clone().call(request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
