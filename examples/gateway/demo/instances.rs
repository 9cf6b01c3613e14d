//! The instances of the demonstration.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::plan::{Condition, Step};

/// The header with the name of the instance that answered.
pub(crate) const ANSWERED_BY: &str = "x-answered-by";

/// The instances of the demonstration: servers in this process.
pub(crate) struct Instances {
    each: BTreeMap<&'static str, Instance>,
}

struct Instance {
    address: SocketAddr,
    condition: Arc<Mutex<Condition>>,
    /// `None` while it is dead.
    server: Option<JoinHandle<()>>,
}

impl Instances {
    pub(crate) async fn start() -> io::Result<Self> {
        let mut each = BTreeMap::new();
        for name in ["search-1", "search-2", "search-3", "cache-1"] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let condition = Arc::new(Mutex::new(Condition::Healthy));
            let server = Some(tokio::spawn(serve(listener, name, condition.clone())));
            each.insert(
                name,
                Instance {
                    address,
                    condition,
                    server,
                },
            );
        }
        Ok(Self { each })
    }

    /// Returns the instances of a service, in the form of a configuration.
    pub(crate) fn written(&self, service: &str) -> String {
        let of_service = self.each.iter().filter(|(name, _)| name.starts_with(service));
        let written = of_service.map(|(name, instance)| {
            let address = instance.address;
            format!(r#"{{ name = "{name}", address = "http://{address}" }}"#)
        });
        written.collect::<Vec<_>>().join(", ")
    }

    pub(crate) async fn apply(&mut self, step: Step) -> io::Result<()> {
        let instance = self
            .each
            .get_mut(step.instance)
            .expect("the plan names instances that there are");
        *instance.condition.lock().unwrap_or_else(PoisonError::into_inner) = step.condition;
        if step.condition == Condition::Dead {
            // Aborting the server also closes its connections.
            if let Some(server) = instance.server.take() {
                server.abort();
                let _ = server.await;
            }
        } else if instance.server.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(instance.address)?;
            let listener = socket.listen(1024)?;
            instance.server = Some(tokio::spawn(serve(listener, step.instance, instance.condition.clone())));
        }
        Ok(())
    }
}

async fn serve(listener: TcpListener, name: &'static str, condition: Arc<Mutex<Condition>>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let condition = condition.clone();
                let answer = service_fn(move |request| {
                    let condition = *condition.lock().unwrap_or_else(PoisonError::into_inner);
                    answer(name, condition, request)
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
            // Probably out of file descriptors, which is temporary.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(name: &str, condition: Condition, _: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    match condition {
        Condition::Hanging => pending().await,
        _ => sleep(Duration::from_millis(10)).await,
    }
    let mut response = Response::new(Full::from(name.to_owned()));
    if let Ok(name) = HeaderValue::from_str(name) {
        response.headers_mut().insert(ANSWERED_BY, name);
    }
    if condition == Condition::Failing {
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}
