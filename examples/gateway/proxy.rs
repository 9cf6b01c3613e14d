use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::{BoxError, Service};

use crate::{
    answers,
    elsewhere::{Elsewhere, Journey},
    headers,
    judge::ClientBroke,
    table::Table,
    upstream::Body,
};

/// Sends requests to whom they are for, as the table says that holds when they come.
pub(crate) struct Proxy {
    table: RwLock<Arc<Table>>,
}

impl Proxy {
    pub(crate) fn new(table: Table) -> Self {
        Self {
            table: RwLock::new(Arc::new(table)),
        }
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has another table hold from now on.
    pub(crate) fn set_table(&self, table: Table) {
        let table = Arc::new(table);
        let old = std::mem::replace(&mut *self.table.write().unwrap_or_else(PoisonError::into_inner), table);
        drop(old);
    }

    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Result<Response<Body>, Infallible> {
        // A tunnel is another protocol, of which nothing here knows.
        if request.method() == Method::CONNECT {
            return Ok(answers::plain(StatusCode::NOT_IMPLEMENTED, "there are no tunnels here"));
        }
        if !headers::says_its_host(&request) {
            return Ok(answers::plain(
                StatusCode::BAD_REQUEST,
                "a request names its host, once",
            ));
        }
        if !headers::is_known_encoding(request.headers()) {
            return Ok(answers::plain(
                StatusCode::NOT_IMPLEMENTED,
                "only chunked is known as a transfer encoding",
            ));
        }
        let table = self.table();
        let host = headers::host_of(&request);
        let Some(service) = table.route(host.as_ref(), request.uri().path()).cloned() else {
            return Ok(answers::plain(StatusCode::NOT_FOUND, "no route leads there"));
        };
        let mut request = request.map(|body| body.map_err(|error| BoxError::from(ClientBroke(error))).boxed_unsync());
        headers::forward_request(&mut request, client);
        request.extensions_mut().clear();
        request.extensions_mut().insert(Journey::to(service));
        Ok(match Elsewhere.call(request).await {
            // It was asked for no other protocol, and can't have agreed to one.
            Ok(response) if response.status().is_informational() || !headers::is_known_encoding(response.headers()) => {
                answers::plain(StatusCode::BAD_GATEWAY, "the instance answered what can't be passed on")
            }
            Ok(mut response) => {
                headers::forward_response(&mut response);
                response
            }
            Err(error) => answers::failed(&error),
        })
    }
}
