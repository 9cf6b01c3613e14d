//! Prints what happens: a line for each quarter of a second, and one for each event of the breaker.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal, Write},
    mem::take,
    time::Duration,
};

use tower::BoxError;
use tower_breaker::{Breaker, Event, State};

use crate::{
    call_counts::CallCounts,
    plan::{self, Condition},
    summary::Summary,
    traffic::{CLIENT_TIMEOUT, Call, RATE, SLO},
};

/// The time that one line covers.
pub(crate) const QUARTER: Duration = Duration::from_millis(250);

const HEADER: &str = "
          the      the           share to  good answers by            users' errors
    time  primary  breaker        primary  primary  backup      p99    with  without";

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const BLUE: u8 = 34;

/// The marks for answers of the primary, answers of the backup, and errors.
const MARKS: [(u8, &str); 3] = [(GREEN, "█"), (BLUE, "▒"), (RED, "×")];
/// The most requests that one mark stands for.
const MARK: usize = 2;

/// A report of the run, printed while it goes on.
pub(crate) struct Report {
    is_colored: bool,
    quarter: [CallCounts; 2],
    summary: Summary,
}

impl Report {
    pub(crate) fn new() -> Self {
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            is_colored: io::stdout().is_terminal() && !no_color,
            quarter: Default::default(),
            summary: Summary::default(),
        }
    }

    pub(crate) fn header(&self) -> io::Result<()> {
        let [primary, backup, error] = MARKS.map(|(color, mark)| self.paint(color, mark));
        writeln!(
            io::stdout(),
            "{RATE} requests a second for {:?}. A line is a quarter of a second, a mark up to {MARK} requests that ended in it:\n\
             {primary} well answered by the primary  {backup} by the backup  \
             {error} an error to users: a 5xx, no answer in {CLIENT_TIMEOUT:?}, or one after {SLO:?}\n{HEADER}",
            plan::LENGTH,
        )
    }

    pub(crate) fn call(&mut self, call: &Call) {
        self.quarter[call.side as usize].note(call);
        self.summary.call(call);
    }

    pub(crate) fn event(&mut self, at: Duration, event: &Event) -> io::Result<()> {
        self.summary.transition(at, &event.transition);
        writeln!(io::stdout(), "{:>6.2} s ▸ {event}", at.as_secs_f64())
    }

    /// Prints the line for the calls that ended since the last one.
    pub(crate) fn quarter(&mut self, at: Duration, breaker: &Breaker) -> io::Result<()> {
        let view = breaker.snapshot();
        let state_color = match view.state {
            State::Closed => GREEN,
            State::Open => RED,
            _ => YELLOW,
        };
        let condition = plan::condition_at(at.saturating_sub(QUARTER / 2));
        let condition_color = if condition == Condition::Healthy { GREEN } else { RED };
        let [mut with, without] = take(&mut self.quarter);
        let p99 = with.p99().map_or("–".into(), |p99| format!("{} ms", p99.as_millis()));
        let [by_primary, by_backup, errors] = with.answers;
        writeln!(
            io::stdout(),
            "{:>6.2} s  {}  {}{:>6} %{by_primary:>9}{by_backup:>8}{p99:>9}{errors:>8}{:>9}  {}",
            at.as_secs_f64(),
            self.paint(condition_color, format_args!("{condition:7}")),
            self.paint(state_color, format_args!("{:14}", view.state)),
            view.share,
            without.errors(),
            self.bar(with.answers),
        )
    }

    /// Prints the summary. Returns an error if the breaker was of no use.
    pub(crate) fn end(self, wasted: [u64; 2], state: State) -> Result<(), BoxError> {
        writeln!(io::stdout(), "{}", self.summary.text(wasted))?;
        Ok(self.summary.check(state)?)
    }

    fn bar(&self, answers: [usize; 3]) -> String {
        let mut bar = String::new();
        for ((color, mark), calls) in MARKS.into_iter().zip(answers) {
            bar += &self.paint(color, mark.repeat(calls.div_ceil(MARK)));
        }
        bar
    }

    /// Colors a text. The text has to be padded before, because the color codes have no width on
    /// the screen.
    fn paint(&self, color: u8, text: impl Display) -> String {
        if self.is_colored {
            format!("\x1b[{color}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}
