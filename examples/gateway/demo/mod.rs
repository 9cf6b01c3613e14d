//! A demonstration: instances in this process that become sick and healthy again, and users who
//! hardly notice.

mod instances;
mod load;
mod plan;
mod summary;
mod view;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{Instant, interval_at},
};
use tower::BoxError;

use self::{instances::Instances, load::Load, view::View};
use crate::{config::Config, console, proxy::Proxy, server, table::Builder};

/// Returns the configuration of the demonstration's gateway.
fn configuration(instances: &Instances) -> String {
    let search = instances.written("search");
    let cache = instances.written("cache");
    format!(
        r#"
        listen = "127.0.0.1:0"

        [services.search]
        instances = [{search}]
        backup = "cache"
        timeout = "2s"
        breaker = {{ slow_after = "100ms" }}
        check = {{ path = "/health", every = "2s", timeout = "500ms" }}

        [services.cache]
        instances = [{cache}]

        [[routes]]
        path = "/search"
        service = "search"
        "#
    )
}

/// Runs for half a minute. With `keep`, runs until it is stopped.
pub(crate) async fn run(keep: bool) -> Result<(), BoxError> {
    let mut instances = Instances::start().await?;
    let config = Config::parse(&configuration(&instances))?;
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let builder = Builder::new(true);
    let proxy = Arc::new(Proxy::new(builder.build(config, None)?));
    let console = TcpListener::bind("127.0.0.1:0").await?;
    let mut view = View::new(address, console.local_addr()?);
    tokio::spawn(console::serve(console, builder.console.clone()));
    let mut events = builder.registry.subscribe();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server::serve(listener, proxy.clone(), async {
        let _ = stopped.await;
    }));

    let start = Instant::now();
    let mut load = Load::start(address);
    let mut seconds = interval_at(start + Duration::from_secs(1), Duration::from_secs(1));
    let mut stopped = std::pin::pin!(crate::stopped());
    while keep || start.elapsed() < plan::DURATION {
        tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(event) = events.next() => view.event(start.elapsed(), &event),
            _ = seconds.tick() => {
                view.second(start.elapsed(), &load.take(), &proxy.table());
                for step in plan::at(start.elapsed()) {
                    view.step(start.elapsed(), step);
                    instances.apply(step).await?;
                }
            }
        }
    }
    let answers = load.end().await;
    let _ = stop.send(());
    serving.await?;
    if start.elapsed() < plan::DURATION {
        return Ok(()); // It was stopped early, so that there is no summary.
    }
    summary::summarize(&answers, &view, &proxy.table(), keep)
}
