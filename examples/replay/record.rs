//! Records the trace that this example replays without arguments.

use std::{error::Error, fs::File, future::pending, path::Path, time::Duration};

use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{CircuitBreakerLayer, replay::Recorder};

/// How long callers wait.
const PATIENCE: Duration = Duration::from_secs(2);
const LENGTH: Duration = Duration::from_secs(56);
const CALLS_A_SECOND: f64 = 25.0;

/// A generator of the same numbers in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn around(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.unit()).ln() * mean)
    }
}

/// Answers like a primary that fails for 7 s, hangs for 6 s and is slow for 6 s. While healthy, it
/// fails one call in 100.
async fn primary(start: Instant, takes: Duration, luck: f64) -> Result<(), BoxError> {
    match start.elapsed().as_secs() {
        10..17 => return Err("out of order".into()),
        25..31 => pending().await,
        40..46 => sleep(takes * 15).await,
        _ => sleep(takes).await,
    }
    if luck < 0.01 { Err("bad luck".into()) } else { Ok(()) }
}

async fn calls(path: &Path) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let recorder = Recorder::csv(File::create(path)?);
    // On a live service, this is all: an observer, and shadow mode, so that no call is diverted and
    // the outcome of each is known.
    let layer = CircuitBreakerLayer::builder()
        .name("payments")
        .observer(recorder.clone())
        .build()?;
    layer.breaker().shadow("recording", None);
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(move |(takes, luck)| primary(start, takes, luck)));

    let mut random = Random(1);
    let mut callers = JoinSet::new();
    while start.elapsed() < LENGTH {
        sleep(random.around(1.0 / CALLS_A_SECOND)).await;
        let request = (Duration::from_millis(20) + random.around(0.012), random.unit());
        let mut service = service.clone();
        callers.spawn(async move {
            let answer = timeout(PATIENCE, async { service.ready().await?.call(request).await });
            // On an error or a timeout, the recorder has seen the call, too.
            let _ = answer.await;
        });
    }
    callers.join_all().await;
    Ok(recorder.flush()?)
}

/// Records a minute in simulated time.
pub(crate) fn record(path: &Path) -> Result<(), Box<dyn Error>> {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?
        .block_on(calls(path))
}
