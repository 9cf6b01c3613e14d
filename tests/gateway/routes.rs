use http::StatusCode;

use crate::support::*;

async fn two_services() -> (Gateway, [Instance; 3]) {
    let instances = [
        Instance::saying("search").await,
        Instance::saying("maps").await,
        Instance::saying("hosted").await,
    ];
    let [search, maps, hosted] = &instances;
    let config = "listen = '127.0.0.1:0'\n".to_owned()
        + &service("search", &[search], "")
        + &service("maps", &[maps], "")
        + &service("hosted", &[hosted], "")
        + "[[routes]]\npath = '/s'\nservice = 'search'\n"
        + "[[routes]]\npath = '/s/maps'\nservice = 'maps'\n"
        + "[[routes]]\npath = '/'\nhost = 'LocalHost'\nservice = 'hosted'\n";
    (Gateway::start(&config).await, instances)
}

#[tokio::test]
async fn the_longest_path_that_fits_on_segments_decides() {
    let (gateway, _instances) = two_services().await;
    for (path, expected) in [
        ("/s", "search"),
        ("/s?q=/s/maps", "search"),
        ("/s/", "search"),
        ("/s/x/y", "search"),
        ("/s/mapsx", "search"),
        ("/s/maps", "maps"),
        ("/s/maps/x", "maps"),
    ] {
        assert_eq!(gateway.get(path).await, (StatusCode::OK, expected.to_owned()), "{path}");
    }
    for path in ["/", "/sx", "/S", "/x/s"] {
        assert_eq!(gateway.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_hosts_routes_come_before_those_of_any() {
    let (gateway, _instances) = two_services().await;
    let port = gateway.address.port();
    let uri = format!("http://localhost:{port}/s");
    let response = client().get(uri.parse().unwrap()).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "hosted");
}
