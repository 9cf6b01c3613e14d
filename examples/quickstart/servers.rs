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
use hyper::{Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::sleep};

use crate::plan::Condition;

/// An HTTP server on a port of this machine, in the condition it is told; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    wasted: Arc<AtomicU64>,
    _accepting: JoinSet<()>,
}

/// How one server answers.
#[derive(Clone, Debug)]
struct Behaviour {
    name: &'static str,
    latency: Duration,
    condition: watch::Receiver<Condition>,
    wasted: Arc<AtomicU64>,
}

impl Server {
    /// A server that gives its name as the answer, after this latency while it is healthy.
    pub(crate) async fn start(
        name: &'static str,
        latency: Duration,
        condition: watch::Receiver<Condition>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let wasted = Arc::default();
        let behaviour = Behaviour {
            name,
            latency,
            condition,
            wasted: Arc::clone(&wasted),
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, behaviour));
        Ok(Self {
            address,
            wasted,
            _accepting: accepting,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests reached it while it wasn't healthy.
    pub(crate) fn wasted(&self) -> u64 {
        self.wasted.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, behaviour: Behaviour) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let behaviour = behaviour.clone();
                    let answer = service_fn(move |_| behaviour.clone().answer());
                    connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
                }
                // Out of file descriptors, most likely: some are free again soon.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Behaviour {
    async fn answer(self) -> Result<Response<Full<Bytes>>, Infallible> {
        let condition = *self.condition.borrow();
        if condition != Condition::Healthy {
            self.wasted.fetch_add(1, Ordering::Relaxed);
        }
        let mut response = Response::new(Full::from(self.name));
        match condition {
            Condition::Healthy => sleep(self.latency).await,
            Condition::Hanging => pending().await,
            Condition::Failing => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
            Condition::Slow => sleep(20 * self.latency).await,
        }
        Ok(response)
    }
}
