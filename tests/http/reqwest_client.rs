//! The layer around reqwest's client, which is a service of requests and responses of its own.

use std::time::Duration;

use http::{Request, Response, header::RETRY_AFTER};
use reqwest::{Body, Client};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{
    CircuitBreakerLayer, CircuitOpen, Outcome, State,
    on_open::{FailOverBudget, RetainRequest},
    protocol::http::{ByStatus, Latency, Unavailable},
};

use crate::{
    support::*,
    wire::{self, Then},
};

/// 5xx and errors are failures: what [`ByStatus`] says of an `http::Response`.
fn by_status<E>(result: Result<&reqwest::Response, &E>) -> Outcome {
    match result {
        Ok(response) if !response.status().is_server_error() => Outcome::Success,
        Ok(_) | Err(_) => Outcome::Failure,
    }
}

/// A `GET` of this server, by reqwest.
fn get_of(origin: &Origin) -> reqwest::Request {
    let url = format!("http://{}/", origin.address).parse().unwrap();
    reqwest::Request::new(http::Method::GET, url)
}

async fn text<S>(service: &S, request: reqwest::Request) -> Result<String, BoxError>
where
    S: Service<reqwest::Request, Response = reqwest::Response, Error: Into<BoxError>> + Clone,
{
    within(async {
        let response = service.clone().oneshot(request).await.map_err(Into::into)?;
        Ok(format!("{} {}", response.status().as_u16(), response.text().await?))
    })
    .await
}

/// Whatever proxy the environment speaks of, these servers are on this machine.
fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Sends requests here, whatever their URL says.
fn redirected(
    client: Client,
    to: &Origin,
) -> impl Service<reqwest::Request, Response = reqwest::Response, Error = reqwest::Error> + Clone {
    let port = to.address.port();
    ServiceBuilder::new()
        .map_request(move |mut request: reqwest::Request| {
            request.url_mut().set_port(Some(port)).unwrap();
            request
        })
        .service(client)
}

#[tokio::test]
async fn what_the_readme_says_of_reqwest() {
    let origin = Origin::start("primary").await;
    let client = client();
    let run = async || -> Result<_, BoxError> {
        let layer = CircuitBreakerLayer::builder()
            .name("geocoder")
            .slow_after(Duration::from_millis(300))
            .classify(ByStatus::new()) // 5xx and errors are failures
            .build()?; // while open, calls end in a CircuitOpen
        let breaker = layer.breaker().clone();
        let service = ServiceBuilder::new()
            .layer(layer)
            // http's types above, reqwest's below
            .filter(|request: http::Request<reqwest::Body>| reqwest::Request::try_from(request))
            .map_response(http::Response::<reqwest::Body>::from)
            .service(client);

        let request = || Request::get(format!("http://{}/", origin.address)).body(Body::from(""));
        let good = service.clone().oneshot(request()?).await?;
        breaker.force_open("a test", None);
        let refused = service.oneshot(request()?).await.map(drop);
        Ok((good, refused))
    };
    let (good, refused) = within(run()).await.unwrap();
    assert_eq!(good.status(), 200);
    assert!(refused.unwrap_err().is::<CircuitOpen>());
}

#[tokio::test]
async fn its_own_types_will_do_where_a_closure_judges() {
    let origin = Origin::start("primary").await;
    origin.answers(500);
    let layer = builder().classify_fn(by_status).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(layer)
        .map_err(BoxError::from)
        .service(client());
    for _ in 0..3 {
        assert_eq!(text(&service, get_of(&origin)).await.unwrap(), "500 primary");
    }
    assert!(text(&service, get_of(&origin)).await.unwrap_err().is::<CircuitOpen>());
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn a_backup_needs_no_adapter_and_no_conversion() {
    let [primary, backup] = [Origin::start("primary").await, Origin::start("backup").await];
    primary.answers(502);
    let client = client();
    let layer = builder()
        .classify_fn(by_status)
        .backup(redirected(client.clone(), &backup))
        .build()
        .unwrap();
    let service = layer.layer(client);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(text(&service, get_of(&primary)).await.unwrap());
    }
    assert_eq!(answers, ["502 primary", "502 primary", "502 primary", "200 backup"]);
}

#[tokio::test]
async fn a_borrowed_client_is_a_primary_too() {
    let origin = Origin::start("primary").await;
    let client = client();
    let layer = builder().classify_fn(by_status).backup(&client).build().unwrap();
    let service = layer.layer(&client);
    assert_eq!(text(&service, get_of(&origin)).await.unwrap(), "200 primary");
}

#[tokio::test]
async fn a_503_made_on_the_spot_is_a_reqwest_response() {
    let origin = Origin::start("primary").await;
    let busy = Unavailable::new();
    let layer = builder()
        .classify_fn(by_status)
        .respond(move |_: reqwest::Request, open: CircuitOpen| reqwest::Response::from(busy.response(&open)))
        .build()
        .unwrap();
    let service = layer.layer(client());
    trip(layer.breaker());
    let response = service.oneshot(get_of(&origin)).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[RETRY_AFTER]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(
        response.text().await.unwrap(),
        "The service is unavailable. Please try again later.\n"
    );
}

/// A request is sent again where it can be cloned: its body is no stream.
#[derive(Clone)]
struct TryClone;

impl<Res, Err> RetainRequest<reqwest::Request, Res, Err> for TryClone {
    type Retained = reqwest::Request;

    fn retain(&self, request: reqwest::Request) -> (reqwest::Request, Option<reqwest::Request>) {
        let kept = request.try_clone().filter(|request| request.method().is_idempotent());
        (request, kept)
    }

    fn restore(retained: reqwest::Request, _: Result<&Res, &Err>) -> Option<reqwest::Request> {
        Some(retained)
    }
}

#[tokio::test]
async fn a_failed_request_goes_to_the_backup_where_it_can_be_cloned() {
    let [primary, backup] = [Origin::start("primary").await, Origin::start("backup").await];
    primary.answers(503);
    let client = client();
    let layer = builder()
        .classify_fn(by_status)
        .backup(redirected(client.clone(), &backup))
        .fail_over(TryClone, FailOverBudget::default())
        .build()
        .unwrap();
    let service = layer.layer(client);
    let mut put = get_of(&primary);
    *put.method_mut() = http::Method::PUT;
    *put.body_mut() = Some(Body::from("twice"));
    let mut streamed = put.try_clone().unwrap();
    *streamed.body_mut() = Some(Body::wrap_stream(futures::stream::iter(
        ["once"].map(Ok::<_, std::io::Error>),
    )));
    assert_eq!(text(&service, put).await.unwrap(), "200 backup");
    assert_eq!(text(&service, streamed).await.unwrap(), "503 primary");
    assert_eq!(
        (primary.bodies(), backup.bodies()),
        (vec!["twice".into(), "once".into()], vec!["twice".into()])
    );
}

#[tokio::test]
async fn a_body_is_judged_to_its_end_where_the_types_are_those_of_the_http_crate() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of ";
    let address = wire::http1(half, Then::Closes).await;
    let layer = builder()
        .classify(ByStatus::new().at_end(Latency::ToHead))
        .build()
        .unwrap();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .filter(|request: Request<Body>| reqwest::Request::try_from(request))
        .map_response(Response::<Body>::from)
        .service(client());
    for _ in 0..3 {
        assert_eq!(layer.breaker().state(), State::Closed);
        let request = Request::get(format!("http://{address}/")).body(Body::from("")).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        reqwest::Response::from(response.map(Body::wrap))
            .text()
            .await
            .unwrap_err();
    }
    assert_eq!(layer.breaker().state(), State::Open);
}
