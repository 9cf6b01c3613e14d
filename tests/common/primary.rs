//! A primary whose behavior the test sets, and a backup.

use std::{
    future::{Future, Ready, pending, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tower::{BoxError, Service};

/// A switch of a service: what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    Answers,
    Fails,
    Hangs,
    NeverReady,
    ReadinessFails,
    PanicsInReadiness,
    PanicsInCall,
    PanicsInFuture,
}

/// A service whose behavior the test sets, and which panics when it is called unready.
#[derive(Debug)]
pub(crate) struct Primary {
    control: Arc<Control>,
    ready: bool,
}

#[derive(Debug)]
pub(crate) struct Control {
    behavior: Mutex<Behavior>,
    pub(crate) calls: AtomicU32,
    pub(crate) polls: AtomicU32,
    called_unready: AtomicBool,
}

impl Control {
    pub(crate) fn set(&self, behavior: Behavior) {
        *self.behavior.lock().unwrap() = behavior;
    }

    fn behavior(&self) -> Behavior {
        *self.behavior.lock().unwrap()
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn was_called_unready(&self) -> bool {
        self.called_unready.load(Ordering::SeqCst)
    }
}

pub(crate) fn primary(behavior: Behavior) -> (Primary, Arc<Control>) {
    let control = Arc::new(Control {
        behavior: Mutex::new(behavior),
        calls: AtomicU32::new(0),
        polls: AtomicU32::new(0),
        called_unready: AtomicBool::new(false),
    });
    let primary = Primary {
        control: control.clone(),
        ready: false,
    };
    (primary, control)
}

impl Clone for Primary {
    fn clone(&self) -> Self {
        Self {
            control: self.control.clone(),
            ready: false,
        }
    }
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<&'static str, BoxError>> + Send>>;

impl Service<u32> for Primary {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.control.polls.fetch_add(1, Ordering::SeqCst);
        match self.control.behavior() {
            Behavior::NeverReady => Poll::Pending,
            Behavior::PanicsInReadiness => panic!("on purpose, in poll_ready"),
            Behavior::ReadinessFails => Poll::Ready(Err("not ready, ever".into())),
            _ => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: u32) -> Answer {
        if !std::mem::take(&mut self.ready) {
            self.control.called_unready.store(true, Ordering::SeqCst);
        }
        self.control.calls.fetch_add(1, Ordering::SeqCst);
        match self.control.behavior() {
            Behavior::Fails => Box::pin(ready(Err("failed".into()))),
            Behavior::Hangs => Box::pin(pending()),
            Behavior::PanicsInCall => panic!("on purpose, in call"),
            Behavior::PanicsInFuture => Box::pin(async { panic!("on purpose, in the future") }),
            _ => Box::pin(ready(Ok("primary"))),
        }
    }
}

/// A backup that is ready and answers at once.
#[derive(Clone, Debug)]
pub(crate) struct Spare;

impl Service<u32> for Spare {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Ready<Result<&'static str, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Ok("backup"))
    }
}
