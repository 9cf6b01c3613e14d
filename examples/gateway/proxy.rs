//! The proxy itself: from a client's request to its answer.

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
    classifier::ClientBroke,
    headers,
    next_instance::{Attempts, NextInstance},
    table::Table,
    upstream::Body,
};

/// A proxy. Each request goes to the instances of the table that is current when it arrives.
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

    /// Replaces the table for requests that arrive from now on.
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
        // A tunnel is another protocol.
        if request.method() == Method::CONNECT {
            return Ok(answers::plain(StatusCode::NOT_IMPLEMENTED, "tunnels are not supported"));
        }
        if !headers::has_one_host(&request) {
            return Ok(answers::plain(StatusCode::BAD_REQUEST, "a request must name one host"));
        }
        if !headers::is_known_encoding(request.headers()) {
            return Ok(answers::plain(
                StatusCode::NOT_IMPLEMENTED,
                "the only supported transfer coding is chunked",
            ));
        }
        let table = self.table();
        let host = headers::host_of(&request);
        let Some(service) = table.route(host.as_ref(), request.uri().path()).cloned() else {
            return Ok(answers::plain(StatusCode::NOT_FOUND, "no route for this path"));
        };
        let mut request = request.map(|body| body.map_err(|error| BoxError::from(ClientBroke(error))).boxed_unsync());
        headers::forward_request(&mut request, client);
        request.extensions_mut().clear();
        request.extensions_mut().insert(Attempts::at(service));
        Ok(match NextInstance.call(request).await {
            // The gateway asked for no other protocol, so that the instance can't have switched to
            // one.
            Ok(response) if response.status().is_informational() || !headers::is_known_encoding(response.headers()) => {
                answers::plain(StatusCode::BAD_GATEWAY, "the instance's answer can't be forwarded")
            }
            Ok(mut response) => {
                headers::forward_response(&mut response);
                response
            }
            Err(error) => answers::failed(&error),
        })
    }
}
