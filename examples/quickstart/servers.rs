//! The servers of the demonstration.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::sleep};

use crate::plan::Condition;

/// An HTTP server on a port of this machine. It ends with the runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    wasted: Arc<AtomicU64>,
}

impl Server {
    /// Starts a server that answers with its name, after `latency` while it is healthy.
    pub(crate) async fn start(
        name: &'static str,
        latency: Duration,
        condition: impl Fn() -> Condition + Copy + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let wasted = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&wasted);
        let answer = service_fn(move |_: Request<Incoming>| {
            let condition = condition();
            counter.fetch_add(u64::from(condition != Condition::Healthy), Ordering::Relaxed);
            answer(name, latency, condition)
        });
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer.clone()));
                    }
                    // Probably out of file descriptors, which is temporary.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Ok(Self { address, wasted })
    }

    /// Returns how many requests reached the server while it wasn't healthy.
    pub(crate) fn wasted(&self) -> u64 {
        self.wasted.load(Ordering::Relaxed)
    }
}

async fn answer(name: &str, latency: Duration, condition: Condition) -> Result<Response<Full<Bytes>>, Infallible> {
    match condition {
        Condition::Healthy => sleep(latency).await,
        Condition::Hanging => pending().await,
        Condition::Failing => {}
        Condition::Slow => sleep(20 * latency).await,
    }
    let status = if condition == Condition::Failing { 503 } else { 200 };
    let response = Response::builder().status(status).body(Full::from(name.to_owned()));
    Ok(response.expect("a status and a body make a response"))
}
