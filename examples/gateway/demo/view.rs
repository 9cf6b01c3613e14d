//! Prints what happens in the demonstration.

use std::{net::SocketAddr, time::Duration};

use tower_breaker::{Event, State, observe::Transition};

use super::{
    load::Answers,
    plan::{Condition, Step},
};
use crate::table::Table;

/// The output while the demonstration runs: a line per second, and one for each step and event.
pub(crate) struct View {
    /// A line for each trip.
    pub(crate) trips: Vec<String>,
}

impl View {
    pub(crate) fn new(address: SocketAddr, console: SocketAddr) -> Self {
        println!(
            "the gateway is at http://{address}; 200 requests a second go to /search, which has three instances and a cache behind it"
        );
        println!("the console is at http://{console}/");
        println!(
            "  time  answers of each second, and the breakers of search: closed, open, or the percentage that gets through"
        );
        Self { trips: Vec::new() }
    }

    pub(crate) fn second(&self, elapsed: Duration, answers: &Answers, table: &Table) {
        let good = answers
            .good
            .iter()
            .map(|(instance, count)| format!("{instance} {count:3}"));
        let states = table.instances().filter(|instance| instance.name.starts_with("search"));
        let states = states.filter_map(|instance| {
            let view = instance.breaker()?.snapshot();
            Some(match view.state {
                State::Closed => "closed".to_owned(),
                State::HalfOpen => format!("{} %", view.share),
                _ => "open".to_owned(),
            })
        });
        println!(
            "{:4} s  {}  errors {}, late {}  [{}]",
            elapsed.as_secs(),
            good.collect::<Vec<_>>().join("  "),
            answers.errors,
            answers.late,
            states.collect::<Vec<_>>().join(", ")
        );
    }

    pub(crate) fn step(&self, elapsed: Duration, step: Step) {
        let what = match step.condition {
            Condition::Healthy => "is healthy again",
            Condition::Failing => "fails: it answers 500",
            Condition::Hanging => "hangs: it doesn't answer",
            Condition::Dead => "dies: it doesn't listen any more",
        };
        println!("{:4} s  ── {} {what}", elapsed.as_secs(), step.instance);
    }

    pub(crate) fn event(&mut self, elapsed: Duration, event: &Event) {
        let line = format!("{:6.2} s  {event}", elapsed.as_secs_f64());
        // A failed trial reopens the breaker, which isn't a trip.
        if let Transition::Opened {
            from: State::Closed, ..
        } = event.transition
        {
            self.trips.push(line.clone());
        }
        println!("{line}");
    }
}
