//! A health check over HTTP: one request on a connection of its own.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{CONNECTION, HOST, USER_AGENT},
    uri::{Authority, Scheme},
};
use http_body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use crate::machine::ConfigError;

/// A check for an [`Agent`](super::Agent) that gets a page over HTTP/1.1, on a connection of its
/// own.
///
/// The instance is healthy if the status is 2xx.
///
/// ```
/// use tower_breaker::agent::HttpGet;
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let check = HttpGet::new("http://10.0.0.7:8080/health")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpGet {
    authority: Authority,
    host: HeaderValue,
    uri: Uri,
}

/// An error of [`HttpGet`]: why the instance isn't healthy.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpGetError {
    /// The instance can't be reached.
    Connect(std::io::Error),
    /// The instance doesn't speak HTTP, or hangs up.
    Http(hyper::Error),
    /// The instance answered with this status, which isn't 2xx.
    Status(StatusCode),
}

impl HttpGet {
    /// Returns a check of this address: `http://`, a host, a port unless it is 80, and a path.
    ///
    /// HTTPS isn't supported: use a [service](super::Agent::watch) of your own.
    ///
    /// # Errors
    ///
    /// Returns an error that names `uri` if it isn't such an address.
    pub fn new(uri: impl AsRef<str>) -> Result<Self, ConfigError> {
        let text = uri.as_ref();
        let refused = || {
            let accepted = "an address such as \"http://10.0.0.7:8080/health\"";
            ConfigError::out_of_range("uri", format!("{text:?}"), accepted)
        };
        let uri: Uri = text.parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?.clone();
        // An address with a user doesn't start with its host. After the host comes ":port", if
        // anything; `port_u16` returns `None` for an invalid port as well as for none.
        let port = authority.as_str().strip_prefix(authority.host()).ok_or_else(refused)?;
        let has_valid_port = port.is_empty() || authority.port_u16().is_some();
        if uri.scheme() != Some(&Scheme::HTTP) || authority.host().is_empty() || !has_valid_port {
            return Err(refused());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| refused())?,
            authority,
            uri: path.parse().map_err(|_| refused())?,
        })
    }

    async fn get(self) -> Result<(), HttpGetError> {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(HttpGetError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(HttpGetError::Http)?;
        let mut request = Request::new(Empty);
        *request.uri_mut() = self.uri;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let answer = sender.send_request(request);
        let status = status_of(answer, connection).await.map_err(HttpGetError::Http)?;
        if status.is_success() {
            Ok(())
        } else {
            Err(HttpGetError::Status(status))
        }
    }
}

const AGENT: HeaderValue = HeaderValue::from_static(concat!("tower-breaker/", env!("CARGO_PKG_VERSION")));

/// Drives a connection until its answer is there, and returns the answer's status.
///
/// Driving it here rather than in a task means that it can't outlive the check.
async fn status_of<B>(
    answer: impl Future<Output = hyper::Result<http::Response<B>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> hyper::Result<StatusCode> {
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    let mut is_closed = false;
    std::future::poll_fn(|cx| {
        // An error of the connection is also the answer's.
        is_closed = is_closed || connection.as_mut().poll(cx).is_ready();
        answer.as_mut().poll(cx)
    })
    .await
    .map(|response| response.status())
}

impl Service<()> for HttpGet {
    type Response = ();
    type Error = HttpGetError;
    type Future = Pin<Box<dyn Future<Output = Result<(), HttpGetError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpGetError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        Box::pin(self.clone().get())
    }
}

/// An empty body.
struct Empty;

impl Body for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

impl fmt::Display for HttpGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "it can't be reached: {error}"),
            Self::Http(error) => write!(f, "it doesn't answer in HTTP: {error}"),
            Self::Status(status) => write!(f, "it answered {status}"),
        }
    }
}

impl Error for HttpGetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Http(error) => Some(error),
            Self::Status(_) => None,
        }
    }
}
