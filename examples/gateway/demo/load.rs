//! The users of the demonstration.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval},
};

use super::instances::ANSWERED_BY;

/// The time between two requests.
const PACE: Duration = Duration::from_millis(5);
/// A later answer is one that users notice.
const LONG: Duration = Duration::from_millis(500);

/// What users got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// Good answers, by the instance that gave them.
    pub(crate) good: BTreeMap<String, u64>,
    pub(crate) errors: u64,
    /// Good answers that took long.
    pub(crate) late: u64,
}

/// Users instance send 200 requests per second.
pub(crate) struct Load {
    recent: Arc<Mutex<Answers>>,
    users: JoinHandle<()>,
    end: oneshot::Sender<()>,
    all: Answers,
}

impl Load {
    pub(crate) fn start(gateway: SocketAddr) -> Self {
        let recent = Arc::default();
        let (end, asked_to_end) = oneshot::channel();
        Self {
            users: tokio::spawn(ask(gateway, Arc::clone(&recent), asked_to_end)),
            recent,
            end,
            all: Answers::default(),
        }
    }

    /// Returns the answers since the last call of this function.
    pub(crate) fn take(&mut self) -> Answers {
        let recent = std::mem::take(&mut *self.recent.lock().unwrap_or_else(PoisonError::into_inner));
        self.all.add(&recent);
        recent
    }

    /// Stops the users, waits for all answers, and returns them.
    pub(crate) async fn end(mut self) -> Answers {
        let (end, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.end, end).send(());
        let _ = (&mut self.users).await;
        self.take();
        self.all
    }
}

impl Answers {
    pub(crate) fn all_good(&self) -> u64 {
        self.good.values().sum()
    }

    fn add(&mut self, others: &Self) {
        for (instance, count) in &others.good {
            *self.good.entry(instance.clone()).or_default() += count;
        }
        self.errors += others.errors;
        self.late += others.late;
    }

    fn note(&mut self, answer: Option<&Response<Incoming>>, took: Duration) {
        match answer.filter(|response| response.status().is_success()) {
            Some(response) => {
                let instance = response
                    .headers()
                    .get(ANSWERED_BY)
                    .and_then(|instance| instance.to_str().ok());
                *self.good.entry(instance.unwrap_or("?").to_owned()).or_default() += 1;
                self.late += u64::from(took > LONG);
            }
            None => self.errors += 1,
        }
    }
}

fn note(answers: &Mutex<Answers>, answer: Option<&Response<Incoming>>, took: Duration) {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    answers.note(answer, took);
}

async fn ask(gateway: SocketAddr, recent: Arc<Mutex<Answers>>, mut asked_to_end: oneshot::Receiver<()>) {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri: Uri = format!("http://{gateway}/search?q=rust").parse().expect("it is a URI");
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    while asked_to_end.try_recv().is_err() {
        pace.tick().await;
        let request = Request::get(uri.clone())
            .body(Empty::new())
            .expect("it has all parts of a request");
        let (client, recent) = (client.clone(), recent.clone());
        requests.spawn(async move {
            let sent = Instant::now();
            let answer: Result<Response<Incoming>, Error> = client.request(request).await;
            note(&recent, answer.as_ref().ok(), sent.elapsed());
            if let Ok(response) = answer {
                // Reads to the end, so that the connection can be used again.
                let _ = response.into_body().collect().await;
            }
        });
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}
