use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
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
    history::History,
    shown::{Detail, Said, Shown},
};
use crate::{
    agent::{Agent, Instance},
    breaker::Breaker,
    machine::Transition,
    observe::{Event, Events},
    registry::Registry,
};

/// Looks at all breakers once a second, and keeps what is shown of them.
pub(super) struct Sampler {
    registry: Registry,
    agents: Mutex<Vec<Weak<Agent>>>,
    has_started: AtomicBool,
    memory: Mutex<Memory>,
    ticks: watch::Sender<Tick>,
    /// How many read them.
    pub(super) streams: AtomicUsize,
}

struct Memory {
    events: Events,
    said: VecDeque<Said>,
    /// Events that came faster than they were read.
    lost: u64,
    /// Breakers that are too many to be shown.
    left_out: usize,
    breakers: BTreeMap<Arc<str>, Remembered>,
}

struct Remembered {
    shown: Shown,
    history: History,
    said: VecDeque<Said>,
}

/// What has changed in a second, for those who know what there was before.
#[derive(Clone, Debug, Default)]
pub(super) struct Tick {
    pub(super) number: u64,
    pub(super) changes: Bytes,
}

#[derive(Serialize)]
struct Changes<'a> {
    now: u64,
    /// Whether these are all breakers there are.
    all: bool,
    breakers: Vec<&'a Shown>,
    gone: Vec<Arc<str>>,
    events: Vec<&'a Said>,
    events_lost: u64,
    /// How many breakers aren't shown, since there are too many; all of them are closed, unless those in trouble alone are too many.
    left_out: usize,
}

const EVERY: Duration = Duration::from_secs(1);
/// Looking may take this part of the time, of one processor.
const PART: u32 = 20;
/// So many are shown, and remembered. Those in trouble come first.
const MOST_SHOWN: usize = 10_000;
/// To look at more takes so long that a thread of its own does it.
const MANY: usize = 2000;
/// So many events are kept, of all breakers and of each.
const KEPT: usize = 200;
const KEPT_OF_EACH: usize = 50;

/// Milliseconds since 1970.
fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

impl Sampler {
    pub(super) fn new(registry: Registry) -> Self {
        let memory = Memory {
            events: registry.subscribe(),
            said: VecDeque::new(),
            lost: 0,
            left_out: 0,
            breakers: BTreeMap::new(),
        };
        Self {
            registry,
            agents: Mutex::default(),
            has_started: AtomicBool::new(false),
            memory: Mutex::new(memory),
            ticks: watch::Sender::new(Tick::default()),
            streams: AtomicUsize::new(0),
        }
    }

    /// Begins, if it hasn't and there is a runtime to do it in.
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
        let mut memory = self.lock();
        let said = memory.take_events(now);
        memory.left_out = left_out;
        let mut changed = Vec::new();
        let mut current = BTreeMap::new();
        for breaker in &breakers {
            let snapshot = breaker.snapshot();
            let before = memory.breakers.remove(&*snapshot.name);
            let (shown, mut history, kept) = match before {
                Some(before) => (Some(before.shown), before.history, before.said),
                None => (None, History::default(), VecDeque::new()),
            };
            let rates = history.second(&snapshot, now);
            let instance = instances.get(&*snapshot.name);
            let next = Shown::new(&snapshot, rates, instance, now, shown.as_ref());
            if shown.as_ref() != Some(&next) {
                changed.push(snapshot.name.clone());
            }
            current.insert(
                snapshot.name,
                Remembered {
                    shown: next,
                    history,
                    said: kept,
                },
            );
        }
        // What is left is gone.
        let gone = std::mem::replace(&mut memory.breakers, current).into_keys().collect();
        for event in &said {
            memory.keep(event);
        }
        if self.ticks.receiver_count() > 0 {
            let changes = Changes {
                now,
                all: false,
                breakers: changed.iter().map(|name| &memory.breakers[name].shown).collect(),
                gone,
                events: said.iter().collect(),
                events_lost: memory.lost,
                left_out,
            };
            let changes = frame(&changes);
            self.ticks.send_modify(|tick| {
                *tick = Tick {
                    number: tick.number + 1,
                    changes,
                }
            });
        }
    }

    /// Everything, for somebody who knows nothing yet.
    pub(super) fn all(&self) -> Bytes {
        frame(&self.list(&self.lock()))
    }

    /// The same as JSON.
    pub(super) fn all_as_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.list(&self.lock())).unwrap_or_default()
    }

    fn list<'a>(&self, memory: &'a Memory) -> Changes<'a> {
        Changes {
            now: wall_clock(),
            all: true,
            breakers: memory.breakers.values().map(|one| &one.shown).collect(),
            gone: Vec::new(),
            events: memory.said.iter().collect(),
            events_lost: memory.lost,
            left_out: memory.left_out,
        }
    }

    /// All there is to see of one, as of now.
    pub(super) fn detail(&self, breaker: &Breaker) -> Detail {
        let now = wall_clock();
        let snapshot = breaker.snapshot();
        let instance = self.instances().remove(breaker.name());
        let memory = self.lock();
        let remembered = memory.breakers.get(breaker.name());
        let before = remembered.map(|one| &one.shown);
        let rates = before.map(Shown::rates).unwrap_or_default();
        let shown = Shown::new(&snapshot, rates, instance.as_ref(), now, before);
        let history = remembered.map(|one| one.history.points()).unwrap_or_default();
        let said = remembered
            .map(|one| one.said.iter().cloned().collect())
            .unwrap_or_default();
        drop(memory);
        Detail::new(shown, &snapshot, breaker.config(), instance.as_ref(), history, said)
    }

    pub(super) fn show_agent(&self, agent: &Arc<Agent>) {
        self.agents().push(Arc::downgrade(agent));
    }

    fn instances(&self) -> HashMap<Arc<str>, Instance> {
        let mut agents = self.agents();
        agents.retain(|agent| agent.strong_count() > 0);
        let agents: Vec<Arc<Agent>> = agents.iter().filter_map(Weak::upgrade).collect();
        let all = agents.iter().flat_map(|agent| agent.instances());
        all.map(|instance| (instance.name.clone(), instance)).collect()
    }

    fn agents(&self) -> MutexGuard<'_, Vec<Weak<Agent>>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn take_events(&mut self, now: u64) -> Vec<Said> {
        let events = std::iter::from_fn(|| self.events.try_next());
        let said = events.map(|event| said(&event, now)).collect();
        self.lost = self.events.lost();
        said
    }

    fn keep(&mut self, event: &Said) {
        push(&mut self.said, event, KEPT);
        if let Some(breaker) = self.breakers.get_mut(&event.breaker) {
            push(&mut breaker.said, event, KEPT_OF_EACH);
        }
    }
}

fn push(said: &mut VecDeque<Said>, event: &Said, most: usize) {
    if said.len() == most {
        said.pop_front();
    }
    said.push_back(event.clone());
}

fn said(event: &Event, at: u64) -> Said {
    Said {
        at,
        breaker: event.breaker.clone(),
        text: event.transition.to_string(),
        kind: match event.transition {
            Transition::Opened { .. } => "opened",
            Transition::HalfOpened { .. } => "half-opened",
            Transition::ShareChanged { .. } => "share changed",
            Transition::Closed => "closed",
            Transition::WouldHaveTripped { .. } => "would have tripped",
            Transition::HeldBack { .. } => "held back",
            Transition::ModeChanged { .. } => "mode changed",
            Transition::Reset { .. } => "reset",
            Transition::Reconfigured => "reconfigured",
            Transition::Evicted => "evicted",
        },
    }
}

/// Those that are to be shown, and how many aren't.
fn worth_showing(mut breakers: Vec<Breaker>) -> (Vec<Breaker>, usize) {
    let left_out = breakers.len().saturating_sub(MOST_SHOWN);
    if left_out > 0 {
        // It is stable: of those that are equal, the first by name.
        breakers.sort_by_cached_key(Breaker::is_healthy);
        breakers.truncate(MOST_SHOWN);
        breakers.sort_by(|a, b| a.name().cmp(b.name()));
    }
    (breakers, left_out)
}

/// A server-sent event.
fn frame(changes: &Changes<'_>) -> Bytes {
    let mut text = b"event: breakers\ndata: ".to_vec();
    // JSON has its line ends escaped.
    let _ = serde_json::to_writer(&mut text, changes);
    text.extend_from_slice(b"\n\n");
    text.into()
}

async fn run(sampler: Weak<Sampler>) {
    let mut seconds = tokio::time::interval(EVERY);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    seconds.tick().await;
    loop {
        seconds.tick().await;
        let Some(sampler) = sampler.upgrade() else { return };
        let begun = Instant::now();
        if sampler.registry.len() > MANY {
            // It doesn't end in an error, unless it panics or the runtime ends.
            let _ = spawn_blocking(move || sampler.sample()).await;
        } else {
            sampler.sample();
        }
        sleep((begun.elapsed() * PART).saturating_sub(EVERY)).await;
    }
}
