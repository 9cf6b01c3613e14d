//! A console in an axum server, beside what it shows.
//!
//! `cargo run --example console` prints where it is, and goes on until it is stopped. `/orders/7` is behind a breaker, with a backup; a POST to `/outage`
//! makes its database fail, and one to `/repair` ends that. Arguments are an address to listen at, and the names of more breakers to look at.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower::service_fn;
use tower_breaker::{
    CircuitBreakerLayer, ConfigError,
    agent::Agent,
    console::{Console, Identity},
    protocol::http::ByStatus,
    registry::Registry,
};

/// The page, under `/breakers`. Who may operate the breakers is for the hook to say; here anybody may, since it listens on this machine only.
fn with_console(app: Router, registry: &Registry, agent: &Arc<Agent>) -> Router {
    let console = Console::builder(registry)
        .authorize(|_| Ok(Identity::new("an operator at this machine")))
        .build();
    console.show_agent(agent);
    app.nest_service("/breakers", console)
}

/// What goes down.
#[derive(Clone, Default)]
struct Database(Arc<AtomicBool>);

impl Database {
    fn is_down(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set_down(&self, down: bool) {
        self.0.store(down, Ordering::Relaxed);
    }
}

fn app(registry: &Registry, agent: &Agent, database: &Database) -> Result<Router, Box<dyn Error>> {
    let layer = CircuitBreakerLayer::builder()
        .name("orders")
        .classify(ByStatus::new())
        .backup(get(async || "from the cache"))
        .registry(registry)
        .build()?;
    let checked = database.clone();
    agent.watch(
        layer.breaker(),
        service_fn(move |()| {
            let result = if checked.is_down() {
                Err("the database is down")
            } else {
                Ok(())
            };
            async move { result }
        }),
    )?;
    Ok(Router::new()
        .route("/orders/{id}", get(order))
        .route_layer(layer)
        .route(
            "/outage",
            post(async |State(database): State<Database>| database.set_down(true)),
        )
        .route(
            "/repair",
            post(async |State(database): State<Database>| database.set_down(false)),
        )
        .with_state(database.clone()))
}

async fn order(State(database): State<Database>) -> Result<&'static str, StatusCode> {
    if database.is_down() {
        Err(StatusCode::INTERNAL_SERVER_ERROR)
    } else {
        Ok("from the database")
    }
}

/// More breakers, to see how the page looks with many.
fn others(names: impl Iterator<Item = String>, registry: &Registry) -> Result<Vec<CircuitBreakerLayer>, ConfigError> {
    let layer = |name: String| CircuitBreakerLayer::builder().name(name).registry(registry).build();
    names.map(layer).collect()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let registry = Registry::new();
    let agent = Arc::new(Agent::builder().build()?);
    let database = Database::default();
    let app = with_console(app(&registry, &agent, &database)?, &registry, &agent);
    let _others = others(args, &registry)?;

    let listener = TcpListener::bind(&address).await?;
    let address = listener.local_addr()?;
    println!("the console is at http://{address}/breakers");
    println!("try: curl http://{address}/orders/7; curl -X POST http://{address}/outage");
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
