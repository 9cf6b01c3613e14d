//! Measures whether a console with many breakers and readers slows down calls at full load.

use std::{
    convert::Infallible,
    hint::black_box,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinSet,
};
use tower::{Layer, Service};
use tower_breaker::{CircuitBreaker, CircuitBreakerLayer, config::SlowAfter, console::Console, registry::Registry};

use crate::{
    primary::{Request, Steady},
    statistics::Spread,
};

const BREAKERS: usize = 1000;
const READERS: usize = 50;
const ROUNDS: usize = 12;
const ROUND: Duration = Duration::from_secs(2);

/// Measures the throughput of calls on all processors while the console has its readers, divided by
/// the throughput without readers, round by round. Also returns how many bytes per second the
/// readers received.
///
/// Consecutive calls go to different breakers, so that all breakers change every second.
///
/// # Panics
///
/// Panics if this machine has no free socket.
#[must_use]
pub fn watched_to_unwatched(progress: &dyn Fn(usize, usize)) -> (Spread, f64) {
    let registry = Registry::new();
    let services: Vec<_> = (0..BREAKERS).map(|number| service(number, &registry)).collect();
    let runtime = Runtime::new().expect("threads can be had");
    let console = {
        let _in_runtime = runtime.enter();
        Console::builder(&registry).build()
    };
    let address = runtime.block_on(served(console));
    let read = AtomicU64::new(0);
    let mut ratios = Vec::new();
    let (mut seconds, mut bytes) = (0.0, 0);
    for round in 0..ROUNDS {
        // The order alternates, so that a machine that slows down favors neither.
        let first = (round % 2 == 0).then(|| throughput(&services));
        let is_over = AtomicBool::new(false);
        let watched = thread::scope(|scope| {
            scope.spawn(|| runtime.block_on(readers_until(&is_over, address, &read)));
            // By then every reader has received the initial state of all breakers.
            thread::sleep(Duration::from_millis(500));
            let before = read.load(Ordering::Relaxed);
            let start = Instant::now();
            let watched = throughput(&services);
            seconds += start.elapsed().as_secs_f64();
            bytes += read.load(Ordering::Relaxed) - before;
            is_over.store(true, Ordering::Relaxed);
            watched
        });
        let unwatched = first.unwrap_or_else(|| throughput(&services));
        ratios.push(watched / unwatched);
        progress(round + 1, ROUNDS);
    }
    (Spread::of(&ratios).expect("there are rounds"), bytes as f64 / seconds)
}

type Protected = CircuitBreaker<Steady>;

fn service(number: usize, registry: &Registry) -> Protected {
    CircuitBreakerLayer::builder()
        .name(format!(
            "service-{}/10.0.{}.{}:8080",
            number / 20,
            number / 250,
            number % 250
        ))
        .slow_after(SlowAfter::Never)
        .registry(registry)
        .build()
        .expect("the settings are within bounds")
        .layer(Steady)
}

/// Returns calls per second, on as many threads as there are processors.
fn throughput(services: &[Protected]) -> f64 {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let start = Instant::now();
    let calls: u64 = thread::scope(|scope| {
        let calling: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| calls_until(start + ROUND, services)))
            .collect();
        calling
            .into_iter()
            .map(|calling| calling.join().expect("calls don't panic"))
            .sum()
    });
    calls as f64 / start.elapsed().as_secs_f64()
}

fn calls_until(end: Instant, services: &[Protected]) -> u64 {
    let mut services = services.to_vec();
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let mut calls = 0;
    while Instant::now() < end {
        for service in &mut services {
            let _ = service.poll_ready(cx);
            let future = std::pin::pin!(service.call(Request::Succeed));
            let _ = black_box(future.poll(cx));
        }
        calls += services.len() as u64;
    }
    calls
}

async fn served(console: Console) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback address can be had");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let console = console.clone();
            let answer = service_fn(move |request| console.clone().call(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
        Ok::<_, Infallible>(())
    });
    address
}

async fn readers_until(is_over: &AtomicBool, address: SocketAddr, read: &AtomicU64) {
    let mut readers = JoinSet::new();
    let (bytes, mut counted) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..READERS {
        let bytes = bytes.clone();
        readers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream
                .write_all(b"GET /api/events HTTP/1.1\r\nhost: here\r\n\r\n")
                .await?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok::<_, std::io::Error>(()),
                    count => drop(bytes.send(count as u64)),
                }
            }
        });
    }
    while !is_over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Ok(count) = counted.try_recv() {
            read.fetch_add(count, Ordering::Relaxed);
        }
    }
}
