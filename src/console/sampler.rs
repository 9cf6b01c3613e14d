//! Samples all breakers once a second, and keeps what the console shows of them.
//!
//! A sample takes a snapshot of each breaker, adds a second to its history, and collects the events
//! since the last one. What differs from the sample before is serialized once, as a [`Tick`], for
//! all readers of the event stream. Calls pay nothing: the sampler takes no part in them. It stops
//! when the console is dropped.
//!
//! **Memory ordering.** `has_started` and `readers` guard no other memory, so that relaxed
//! operations are enough.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, sleep},
};

use super::{
    history::CallHistory,
    view::{BreakerDetail, BreakerSummary, EventLine},
};
use crate::{
    agent::{Agent, Instance},
    breaker::Breaker,
    lock::lock,
    observe::{Event, Events},
    registry::Registry,
};

/// A sampler of all breakers of a registry.
pub(super) struct Sampler {
    registry: Registry,
    agents: Mutex<Vec<Weak<Agent>>>,
    has_started: AtomicBool,
    latest: Mutex<LatestSample>,
    ticks: watch::Sender<Tick>,
    /// How many event streams are open.
    pub(super) readers: AtomicUsize,
}

/// A sample of all breakers, with the recent events.
struct LatestSample {
    events: Events,
    recent_events: VecDeque<EventLine>,
    /// Events that were dropped because they came faster than they were read.
    events_lost: u64,
    /// Breakers that aren't shown, because there are too many.
    left_out: usize,
    breakers: BTreeMap<Arc<str>, SampledBreaker>,
}

/// One breaker of the latest sample.
struct SampledBreaker {
    summary: BreakerSummary,
    history: CallHistory,
    recent_events: VecDeque<EventLine>,
}

/// The changes of one second, for a reader that knows the state before.
#[derive(Clone, Debug, Default)]
pub(super) struct Tick {
    pub(super) number: u64,
    /// A server-sent event.
    pub(super) changes: Bytes,
}

/// The JSON of a list of breakers: all of them, or those that have changed.
#[derive(Serialize)]
struct Changes<'a> {
    now: u64,
    /// Whether these are all breakers.
    all: bool,
    breakers: Vec<&'a BreakerSummary>,
    /// The names of breakers that have ended.
    gone: Vec<Arc<str>>,
    events: Vec<&'a EventLine>,
    events_lost: u64,
    /// The number of breakers that aren't shown, because there are too many. They are all closed,
    /// unless more than [`MOST_SHOWN`] are in trouble.
    left_out: usize,
}

/// The time from one sample to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sampling takes at most one part in this many of one processor's time.
const SHARE_OF_TIME: u32 = 20;
/// The most breakers that are shown. Those in trouble come first.
const MOST_SHOWN: usize = 10_000;
/// More breakers than this take so long to sample that a blocking thread does it.
const MANY: usize = 2000;
/// The number of recent events that are kept of all breakers together.
const RECENT_EVENTS: usize = 200;
/// The number of recent events that are kept of each breaker.
const RECENT_EVENTS_EACH: usize = 50;

impl Sampler {
    pub(super) fn new(registry: Registry) -> Self {
        let latest = LatestSample {
            events: registry.subscribe(),
            recent_events: VecDeque::new(),
            events_lost: 0,
            left_out: 0,
            breakers: BTreeMap::new(),
        };
        Self {
            registry,
            agents: Mutex::default(),
            has_started: AtomicBool::new(false),
            latest: Mutex::new(latest),
            ticks: watch::Sender::new(Tick::default()),
            readers: AtomicUsize::new(0),
        }
    }

    /// Starts to sample, unless it has started already or there is no runtime to do it in.
    pub(super) fn start(sampler: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if !sampler.has_started.swap(true, Ordering::Relaxed) {
            sampler.sample();
            runtime.spawn(run(Arc::downgrade(sampler)));
        }
    }

    pub(super) fn ticks(&self) -> watch::Receiver<Tick> {
        self.ticks.subscribe()
    }

    fn sample(&self) {
        let now = wall_clock();
        let instances = self.instances();
        let (breakers, left_out) = worth_showing(self.registry.breakers());
        let mut latest = lock(&self.latest);
        let events = latest.take_events(now);
        latest.left_out = left_out;
        let mut changed = Vec::new();
        let mut current = BTreeMap::new();
        for breaker in &breakers {
            let snapshot = breaker.snapshot();
            let before = latest.breakers.remove(&*snapshot.name);
            let (before, mut history, recent_events) = match before {
                Some(before) => (Some(before.summary), before.history, before.recent_events),
                None => (None, CallHistory::default(), VecDeque::new()),
            };
            let rates = history.add_second(&snapshot, now);
            let instance = instances.get(&*snapshot.name);
            let summary = BreakerSummary::new(&snapshot, rates, instance, now, before.as_ref());
            if before.as_ref() != Some(&summary) {
                changed.push(snapshot.name.clone());
            }
            current.insert(
                snapshot.name,
                SampledBreaker {
                    summary,
                    history,
                    recent_events,
                },
            );
        }
        // Those that weren't found again have ended.
        let gone = std::mem::replace(&mut latest.breakers, current).into_keys().collect();
        for event in &events {
            latest.keep(event);
        }
        if self.ticks.receiver_count() > 0 {
            let changes = Changes {
                now,
                all: false,
                breakers: changed.iter().map(|name| &latest.breakers[name].summary).collect(),
                gone,
                events: events.iter().collect(),
                events_lost: latest.events_lost,
                left_out,
            };
            let changes = server_sent_event(&changes);
            self.ticks.send_modify(|tick| {
                *tick = Tick {
                    number: tick.number + 1,
                    changes,
                }
            });
        }
    }

    /// Returns everything as a server-sent event, for a reader that knows nothing yet.
    pub(super) fn everything(&self) -> Bytes {
        server_sent_event(&lock(&self.latest).everything())
    }

    /// Returns everything as JSON.
    pub(super) fn everything_as_json(&self) -> Vec<u8> {
        serde_json::to_vec(&lock(&self.latest).everything()).unwrap_or_default()
    }

    /// Returns one breaker in full, as of now.
    pub(super) fn detail(&self, breaker: &Breaker) -> BreakerDetail {
        let now = wall_clock();
        let snapshot = breaker.snapshot();
        let instance = self.instances().remove(breaker.name());
        let latest = lock(&self.latest);
        let sampled = latest.breakers.get(breaker.name());
        let before = sampled.map(|sampled| &sampled.summary);
        let rates = before.map(BreakerSummary::rates).unwrap_or_default();
        let summary = BreakerSummary::new(&snapshot, rates, instance.as_ref(), now, before);
        let history = sampled.map(|sampled| sampled.history.points()).unwrap_or_default();
        let events = sampled
            .map(|sampled| sampled.recent_events.iter().cloned().collect())
            .unwrap_or_default();
        drop(latest);
        BreakerDetail::new(summary, &snapshot, breaker.config(), instance.as_ref(), history, events)
    }

    pub(super) fn show_agent(&self, agent: &Arc<Agent>) {
        lock(&self.agents).push(Arc::downgrade(agent));
    }

    /// Returns the instances that agents check, by the names of their breakers.
    fn instances(&self) -> HashMap<Arc<str>, Instance> {
        let mut agents = lock(&self.agents);
        agents.retain(|agent| agent.strong_count() > 0);
        let agents: Vec<Arc<Agent>> = agents.iter().filter_map(Weak::upgrade).collect();
        let all = agents.iter().flat_map(|agent| agent.instances());
        all.map(|instance| (instance.name.clone(), instance)).collect()
    }
}

impl LatestSample {
    fn everything(&self) -> Changes<'_> {
        Changes {
            now: wall_clock(),
            all: true,
            breakers: self.breakers.values().map(|sampled| &sampled.summary).collect(),
            gone: Vec::new(),
            events: self.recent_events.iter().collect(),
            events_lost: self.events_lost,
            left_out: self.left_out,
        }
    }

    /// Takes the events since the last sample.
    fn take_events(&mut self, now: u64) -> Vec<EventLine> {
        let events = std::iter::from_fn(|| self.events.try_next());
        let lines = events.map(|event| event_line(&event, now)).collect();
        self.events_lost = self.events.lost();
        lines
    }

    /// Keeps an event among the recent ones, of all breakers and of its own.
    fn keep(&mut self, event: &EventLine) {
        push_recent(&mut self.recent_events, event, RECENT_EVENTS);
        if let Some(breaker) = self.breakers.get_mut(&event.breaker) {
            push_recent(&mut breaker.recent_events, event, RECENT_EVENTS_EACH);
        }
    }
}

/// Adds an event. If there are `most` already, drops the oldest.
fn push_recent(events: &mut VecDeque<EventLine>, event: &EventLine, most: usize) {
    if events.len() == most {
        events.pop_front();
    }
    events.push_back(event.clone());
}

fn event_line(event: &Event, at: u64) -> EventLine {
    EventLine {
        at,
        breaker: event.breaker.clone(),
        text: event.transition.to_string(),
        to: event.transition.target(),
        reason: event.transition.cause(),
    }
}

/// Returns the breakers to show, sorted by name, and how many are left out.
fn worth_showing(mut breakers: Vec<Breaker>) -> (Vec<Breaker>, usize) {
    let left_out = breakers.len().saturating_sub(MOST_SHOWN);
    if left_out > 0 {
        // The sort is stable: among healthy breakers, the first by name are shown.
        breakers.sort_by_cached_key(Breaker::is_healthy);
        breakers.truncate(MOST_SHOWN);
        breakers.sort_by(|a, b| a.name().cmp(b.name()));
    }
    (breakers, left_out)
}

/// Returns a server-sent event named `breakers`.
fn server_sent_event(changes: &Changes<'_>) -> Bytes {
    let mut text = b"event: breakers\ndata: ".to_vec();
    // JSON escapes line ends, so that the data is one line.
    let _ = serde_json::to_writer(&mut text, changes);
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Returns the system's time, in milliseconds since 1970.
fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// Samples at each interval, until the sampler is dropped. A sample that takes long is followed by
/// a longer pause.
async fn run(sampler: Weak<Sampler>) {
    let mut seconds = tokio::time::interval(INTERVAL);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    seconds.tick().await;
    loop {
        seconds.tick().await;
        let Some(sampler) = sampler.upgrade() else { return };
        let begun = Instant::now();
        if sampler.registry.len() > MANY {
            // It ends in an error only if it panics or the runtime shuts down.
            let _ = spawn_blocking(move || sampler.sample()).await;
        } else {
            sampler.sample();
        }
        sleep((begun.elapsed() * SHARE_OF_TIME).saturating_sub(INTERVAL)).await;
    }
}
