//! Instances and a gateway, on the loopback address.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tower::BoxError;
use tower_breaker::registry::Registry;

use crate::{common::sockets::listen, config::Config, proxy::Proxy, reload, server, table::Builder, upstream::Body};

pub(crate) use crate::common::durations::ms;

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A server that answers as the test says, and can be killed and started again.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU32>,
    answer: Arc<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>,
    server: Option<JoinHandle<()>>,
}

impl Instance {
    pub(crate) async fn new(answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static) -> Self {
        let (listener, address) = listen().await;
        let mut instance = Self {
            address,
            requests: Arc::default(),
            answer: Arc::new(answer),
            server: None,
        };
        instance.serve(listener);
        instance
    }

    /// It answers with this.
    pub(crate) async fn saying(text: &'static str) -> Self {
        Self::new(move |_| Box::pin(async move { Response::new(full(text)) })).await
    }

    /// It answers with this status.
    pub(crate) async fn failing(status: StatusCode) -> Self {
        Self::new(move |_| {
            Box::pin(async move {
                let mut response = Response::new(full("failed"));
                *response.status_mut() = status;
                response
            })
        })
        .await
    }

    fn serve(&mut self, listener: TcpListener) {
        let (answer, requests) = (self.answer.clone(), self.requests.clone());
        self.server = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, requests) = (answer.clone(), requests.clone());
                let service = service_fn(move |request| {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let response = answer(request);
                    async move { Ok::<_, Infallible>(response.await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                while connections.try_join_next().is_some() {}
            }
        }));
    }

    /// It is gone, with its connections.
    pub(crate) async fn kill(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        let _ = server.await;
    }

    pub(crate) fn start_again(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(1024).unwrap();
        self.serve(listener);
    }

    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A gateway that runs until the test stops it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) builder: Builder,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

/// The table of a service, whose instances these are, named by letters.
pub(crate) fn service(name: &str, instances: &[&Instance], rest: &str) -> String {
    let written: Vec<String> = ('a'..)
        .zip(instances)
        .map(|(letter, instance)| format!("{{ name = '{letter}', address = 'http://{}' }}", instance.address))
        .collect();
    format!("[services.{name}]\ninstances = [{}]\n{rest}\n", written.join(", "))
}

/// A configuration of these services, all of which is routed to `main`.
pub(crate) fn routed_to_main(services: &str) -> String {
    format!("listen = '127.0.0.1:0'\n[[routes]]\npath = '/'\nservice = 'main'\n{services}")
}

impl Gateway {
    pub(crate) async fn start(config: &str) -> Self {
        let config = Config::parse(config).unwrap();
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let builder = Builder::new(true);
        let proxy = Arc::new(Proxy::new(builder.build(config, None).unwrap()));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server::serve(listener, proxy.clone(), async {
            let _ = stopped.await;
        }));
        Self {
            address,
            proxy,
            builder,
            stop: Some(stop),
            server,
        }
    }

    pub(crate) fn reload(&self, config: &str) -> Result<(), crate::config::Mistakes> {
        reload::apply(config, &self.builder, &self.proxy)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.builder.registry
    }

    /// Stops, and returns once all that had begun is done.
    pub(crate) async fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        (&mut self.server).await.unwrap();
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(self.uri(path));
        let response = client().request(request.body(full(body)).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

pub(crate) fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Keeps asking, on connections of its own, and notes what comes.
pub(crate) struct Load {
    answers: Arc<Mutex<Vec<Result<String, String>>>>,
    users: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(gateway: &Gateway, users: usize, method: &Method) -> Self {
        let answers: Arc<Mutex<Vec<_>>> = Arc::default();
        let mut tasks = JoinSet::new();
        for _ in 0..users {
            let (uri, client, answers, method) = (gateway.uri("/"), client(), answers.clone(), method.clone());
            tasks.spawn(async move {
                loop {
                    let answer = ask(&client, &method, &uri).await;
                    answers.lock().unwrap().push(answer.map_err(|error| error.to_string()));
                    sleep(ms(1)).await;
                }
            });
        }
        Self { answers, users: tasks }
    }

    /// The answers since this was last asked: all good, and how many by whom.
    pub(crate) fn good(&self) -> std::collections::BTreeMap<String, u32> {
        let mut good = std::collections::BTreeMap::new();
        for answer in std::mem::take(&mut *self.answers.lock().unwrap()) {
            *good.entry(answer.unwrap()).or_default() += 1;
        }
        good
    }

    pub(crate) async fn end(mut self) {
        self.users.shutdown().await;
    }
}

async fn ask(client: &Client<HttpConnector, Body>, method: &Method, uri: &str) -> Result<String, BoxError> {
    let request = Request::builder().method(method).uri(uri).body(full("body"))?;
    let response = client.request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let body = String::from_utf8(body.to_vec())?;
    if status == StatusCode::OK {
        Ok(body)
    } else {
        Err(format!("{status}: {body}").into())
    }
}
