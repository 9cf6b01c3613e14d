use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::time::sleep;

use crate::{common::sockets::listen, console, support::*};

#[tokio::test]
async fn the_console_shows_the_gateways_breakers_and_operates_them() {
    let (a, b) = (Instance::saying("a").await, Instance::saying("b").await);
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&a, &b], ""))).await;
    let (listener, address) = listen().await;
    let base = format!("http://{address}/api/");
    tokio::spawn(console::serve(listener, gateway.builder.console.clone()));

    let ask = async |method: Method, resource: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{resource}"))
            .header("content-type", "application/json")
            .body(full(body))
            .unwrap();
        let response = client().request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let (_, one) = ask(Method::GET, "breakers/main%2Fa", String::new()).await;
    assert_eq!((&one["name"], &one["state"]), (&"main/a".into(), &"closed".into()));
    let operation = serde_json::json!({
        "operation": "force_open",
        "breakers": [{ "name": "main/a", "generation": one["generation"] }],
        "reason": "an example",
    });
    let (status, _) = ask(Method::POST, "operations", operation.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let before = a.requests();
    for _ in 0..20 {
        assert_eq!(gateway.get("/").await.1, "b");
        sleep(ms(1)).await;
    }
    assert_eq!(a.requests(), before);
}
