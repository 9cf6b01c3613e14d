use std::{
    io::{self, Write},
    mem::take,
    time::Duration,
};

use tower_breaker::{Breaker, Event, State};

use crate::{
    paint::{Colour, Paint},
    plan::{self, Condition},
    summary::Summary,
    tally::Tally,
    traffic::{CLIENT_TIMEOUT, Call, RATE, SLO},
};

/// What one line covers.
pub(crate) const QUARTER: Duration = Duration::from_millis(250);

const HEADER: &str = "
          the      the           share to   good answers by   users'           errors
    time  primary  breaker        primary  primary   backup   errors      p99  without";

/// Requests that one mark in a bar stands for, at most.
const MARK: usize = 2;

/// Tells what happens while it happens.
pub(crate) struct Report<W> {
    out: W,
    paint: Paint,
    quarter: [Tally; 2],
    summary: Summary,
}

impl<W: Write> Report<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            paint: Paint::for_stdout(),
            quarter: Default::default(),
            summary: Summary::new(),
        }
    }

    pub(crate) fn header(&mut self) -> io::Result<()> {
        writeln!(
            self.out,
            "{RATE} requests a second for {:?}; a line is a quarter of a second, a mark up to {MARK} requests:\n\
             {} a good answer of the primary, {} one of the backup, {} an error to users: 5xx, none in {CLIENT_TIMEOUT:?}, \
             or later than {SLO:?}.\n{HEADER}",
            plan::length(),
            self.bar(Colour::Green, 1),
            self.bar(Colour::Blue, 1),
            self.bar(Colour::Red, 1),
        )
    }

    pub(crate) fn call(&mut self, call: &Call) {
        self.quarter[call.side as usize].note(call);
        self.summary.call(call);
    }

    pub(crate) fn event(&mut self, at: Duration, event: &Event) -> io::Result<()> {
        self.summary.transition(at, &event.transition);
        writeln!(self.out, "{:>6.2} s ▸ {event}", at.as_secs_f64())
    }

    /// The line for what ended at `at`.
    pub(crate) fn quarter(&mut self, at: Duration, breaker: &Breaker) -> io::Result<()> {
        let view = breaker.snapshot().view;
        let condition = plan::condition_at(at.saturating_sub(QUARTER / 2));
        let health = match condition {
            Condition::Healthy => Colour::Green,
            _ => Colour::Red,
        };
        let gate = match view.state {
            State::Closed => Colour::Green,
            State::Open => Colour::Red,
            _ => Colour::Yellow,
        };
        let [mut quarter, unprotected] = take(&mut self.quarter);
        let p99 = quarter
            .p99()
            .map_or("–".into(), |p99| format!("{} ms", p99.as_millis()));
        writeln!(
            self.out,
            "{:>6.2} s  {}  {}{:>7} %{:>9}{:>9}{:>9}{p99:>9}{:>9}  {}{}{}",
            at.as_secs_f64(),
            self.paint.with(health, format_args!("{condition:7}")),
            self.paint.with(gate, format_args!("{:14}", view.state)),
            view.share,
            quarter.by_primary,
            quarter.by_backup,
            quarter.errors,
            unprotected.errors,
            self.bar(Colour::Green, quarter.by_primary),
            self.bar(Colour::Blue, quarter.by_backup),
            self.bar(Colour::Red, quarter.errors),
        )
    }

    /// Says how it went; what comes back is where the breaker was of no use.
    pub(crate) fn summary(&mut self, breaker: &Breaker, wasted: [u64; 2]) -> io::Result<Vec<String>> {
        self.summary.write(&mut self.out, wasted)?;
        Ok(self.summary.complaints(breaker.state()))
    }

    /// The marks for so many calls.
    fn bar(&self, colour: Colour, calls: usize) -> String {
        let mark = match colour {
            Colour::Green => "█",
            Colour::Blue => "▒",
            _ => "×",
        };
        self.paint.with(colour, mark.repeat(calls.div_ceil(MARK)))
    }
}
