//! Runs all measurements of a plan and collects their figures.
//!
//! Work is counted in milliseconds of measuring, so that progress advances at an even pace.

use std::{env, io, time::Duration};

use crate::{
    contestant::Contestant,
    figures::{Figures, Measure},
    instructions, memory,
    path::Path,
    row::Row,
    scaling::{Line, Scaling},
    statistics::Spread,
    subject::Subject,
    threads,
    timing::{self, Effort},
};

/// What is measured, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Plan {
    pub contestants: Vec<Contestant>,
    pub paths: Vec<Path>,
    pub quick: bool,
}

/// The option with which the binary runs itself under callgrind.
pub const UNDER_CALLGRIND: &str = "--under-callgrind";

/// The paths that are measured with two threads.
const BY_TWO_THREADS: [Path; 3] = [Path::Closed, Path::SlowAfter, Path::Keyed];

/// Milliseconds that starting callgrind takes.
const CALLGRIND: u64 = 8000;

/// How many times longer a round of two threads takes than its two batches. Rounds that other
/// processes disturb are repeated.
const THREADS: u64 = 6;

impl Plan {
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        Row::of(&self.contestants, &self.paths)
    }

    /// Returns the approximate duration in milliseconds.
    #[must_use]
    pub fn work(&self) -> u64 {
        let rows = self.rows();
        let by_two_threads = rows.iter().filter(|row| BY_TWO_THREADS.contains(&row.path)).count();
        let scaled: u64 = self
            .scalings()
            .map(|scaling| self.subjects_of(scaling).len() as u64 * ms(self.scaling_effort()))
            .sum();
        CALLGRIND
            + rows.len() as u64 * ms(self.effort())
            + THREADS * by_two_threads as u64 * ms(self.threads_effort())
            + scaled
    }

    /// Measures everything. `progress` receives milliseconds of work done, and `notify` sentences
    /// for the user.
    ///
    /// # Errors
    ///
    /// Returns valgrind's error if valgrind is installed and fails.
    pub fn run(&self, progress: &dyn Fn(u64), notify: &dyn Fn(&str)) -> io::Result<Figures> {
        let mut figures = Figures::default();
        let rows = self.rows();
        match instructions(&rows)? {
            Some(counts) => {
                for (row, count) in rows.iter().zip(counts) {
                    figures.add(
                        Measure::Instructions,
                        row.contestant.name(),
                        row.path.name(),
                        Spread::of(&[count]),
                    );
                }
            }
            None => notify("No valgrind here: instructions are not counted. On Debian, `apt-get install valgrind`."),
        }
        progress(CALLGRIND);
        self.time_rows(&rows, &mut figures, progress);
        self.time_threads(&rows, &mut figures, progress, notify);
        weigh(&rows, &mut figures);
        for scaling in self.scalings() {
            self.time_scaling(scaling, &mut figures, progress);
        }
        Ok(figures)
    }

    fn time_rows(&self, rows: &[Row], figures: &mut Figures, progress: &dyn Fn(u64)) {
        let mut subjects: Vec<_> = rows.iter().map(|row| row.subject()).collect();
        for (row, subject) in rows.iter().zip(&mut subjects) {
            let (name, case) = (row.contestant.name(), row.path.name());
            let (allocated, sizes) = (memory::per_call(subject.as_mut()), subject.sizes());
            for (measure, value) in [
                (Measure::Allocations, allocated.times),
                (Measure::AllocatedBytes, allocated.bytes),
                (Measure::Future, sizes.future as f64),
                (Measure::Service, sizes.service as f64),
            ] {
                figures.add(measure, name, case, Spread::of(&[value]));
            }
        }
        let effort = self.effort();
        let a_round = rows.len() as u64 * ms(effort) / effort.rounds as u64;
        let times = timing::interleaved(&mut subjects, effort, &|| progress(a_round));
        for (row, time) in rows.iter().zip(&times) {
            let base = rows
                .iter()
                .position(|base| base.contestant == Contestant::Bare && base.path == row.path)
                .expect("each path has its bare row");
            let over_bare = if row.contestant == Contestant::Bare {
                Spread::of(time)
            } else {
                Spread::of_differences(time, &times[base])
            };
            figures.add(Measure::OverBare, row.contestant.name(), row.path.name(), over_bare);
        }
    }

    fn time_threads(&self, rows: &[Row], figures: &mut Figures, progress: &dyn Fn(u64), notify: &dyn Fn(&str)) {
        let rows: Vec<_> = rows.iter().filter(|row| BY_TWO_THREADS.contains(&row.path)).collect();
        let make: Vec<_> = rows.iter().map(|row| || row.subject()).collect();
        let make: Vec<_> = make.iter().map(|make| make as &dyn Fn() -> Box<dyn Subject>).collect();
        let effort = self.threads_effort();
        let a_round = THREADS * rows.len() as u64 * ms(effort) / effort.rounds as u64;
        let ratios = threads::shared_to_own(&make, effort, &|| progress(a_round));
        for (row, ratios) in rows.iter().zip(&ratios) {
            if ratios.len() < effort.rounds / 2 {
                let (got, rounds) = (ratios.len(), effort.rounds);
                notify(&format!(
                    "{row}: two threads had two processors to themselves in {got} of {rounds} rounds only."
                ));
            }
            figures.add(
                Measure::TwoThreads,
                row.contestant.name(),
                row.path.name(),
                Spread::of(ratios),
            );
        }
    }

    fn time_scaling(&self, scaling: Scaling, figures: &mut Figures, progress: &dyn Fn(u64)) {
        let settings = self.subjects_of(scaling);
        let mut subjects: Vec<_> = settings
            .iter()
            .filter(|(line, _)| !line.grows)
            .map(|(line, step)| scaling.subject(*line, *step))
            .collect();
        subjects.push(scaling.bare());
        let effort = self.scaling_effort();
        let a_round = settings.len() as u64 * ms(effort) / effort.rounds as u64;
        let times = timing::interleaved(&mut subjects, effort, &|| progress(a_round));
        let bare = &times[times.len() - 1];
        let mut times = times.iter();
        for (line, step) in settings {
            let over_bare = if line.grows {
                let times = timing::unchanged(&|| scaling.subject(line, step), step, effort.rounds);
                Spread::of_differences(&times, bare)
            } else {
                times.next().and_then(|times| Spread::of_differences(times, bare))
            };
            figures.add(scaling.measure(), line.name, step.to_string(), over_bare);
        }
    }

    fn subjects_of(&self, scaling: Scaling) -> Vec<(Line, u64)> {
        let lines = scaling.lines().iter();
        let lines = lines.filter(|line| self.contestants.contains(&line.contestant));
        let steps = scaling.steps();
        let steps = &steps[..steps.len() - usize::from(self.quick)];
        lines.flat_map(|line| steps.iter().map(|step| (*line, *step))).collect()
    }

    fn scalings(&self) -> impl Iterator<Item = Scaling> {
        Scaling::ALL
            .iter()
            .copied()
            .filter(|_| self.paths.contains(&Path::Closed))
    }

    fn effort(&self) -> Effort {
        self.effort_of((400, 1000), (60, 500))
    }

    fn threads_effort(&self) -> Effort {
        self.effort_of((200, 1000), (40, 500))
    }

    fn scaling_effort(&self) -> Effort {
        self.effort_of((100, 300), (20, 200))
    }

    /// Takes rounds, and microseconds per batch.
    fn effort_of(&self, full: (usize, u64), quick: (usize, u64)) -> Effort {
        let (rounds, batch) = if self.quick { quick } else { full };
        let batch = Duration::from_micros(batch);
        Effort { rounds, batch }
    }
}

/// Adds what one breaker holds. The subject around it belongs to the measurement, and is as large
/// around a bare service.
fn weigh(rows: &[Row], figures: &mut Figures) {
    let path = Path::Closed;
    let live = |row: Row| memory::live(&|| row.subject());
    let contestant = Contestant::Bare;
    let bare = live(Row { contestant, path });
    for row in rows.iter().filter(|row| row.path == path) {
        let held = (live(*row) - bare) as f64;
        figures.add(Measure::Live, row.contestant.name(), path.name(), Spread::of(&[held]));
    }
}

fn ms(effort: Effort) -> u64 {
    effort.rounds as u64 * effort.batch.as_micros() as u64 / 1000
}

/// Counts instructions per call, in the order of the rows. Returns `None` if valgrind is not
/// installed.
///
/// # Errors
///
/// Returns valgrind's error.
pub fn instructions(rows: &[Row]) -> io::Result<Option<Vec<f64>>> {
    let this = env::current_exe()?.display().to_string();
    let shown: Vec<_> = rows.iter().map(ToString::to_string).collect();
    instructions::count(&[this, UNDER_CALLGRIND.to_owned(), shown.join(",")], rows.len())
}
