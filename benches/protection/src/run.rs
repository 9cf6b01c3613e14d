//! Runs all scenarios, seeds and entries of a benchmark, spread over the cores.

use std::ops::Range;

use crate::{
    entry::{Entry, Setup},
    measure::{Measures, Timeline},
    parallel,
    scenario::Scenario,
    sim::{self, Conditions},
    statistics::Estimate,
};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    pub scenarios: &'a [Scenario],
    pub entries: &'a [Entry],
    pub first_seed: u64,
    /// How many seeds; at least one.
    pub seeds: u64,
    /// Refused requests end in an error, without a backup.
    pub reject: bool,
}

/// The results of all runs.
#[derive(Debug)]
pub struct Results {
    /// One for each scenario.
    pub scenarios: Vec<ScenarioResults>,
}

#[derive(Debug)]
pub struct ScenarioResults {
    /// One for each seed.
    pub reference: Vec<Measures>,
    /// For each entry, one for each seed.
    pub entries: Vec<Vec<Measures>>,
}

impl Bench<'_> {
    pub fn seeds(&self) -> Range<u64> {
        self.first_seed..self.first_seed + self.seeds
    }

    /// Runs everything on this many threads. After each scenario's seed, `progress` receives its
    /// share of [`work`](Self::work). The results don't depend on the number of threads.
    pub fn run(&self, threads: usize, progress: &(dyn Fn(u64) + Sync)) -> Results {
        let jobs = self.jobs();
        let done = parallel::map(&jobs, threads, |(scenario, seed)| {
            let scenario = &self.scenarios[*scenario];
            let measures = self.one(scenario, *seed);
            progress(scenario.expected_requests());
            measures
        });
        let mut runs: Vec<_> = jobs.into_iter().zip(done).collect();
        runs.sort_by_key(|(job, _)| *job);
        let scenarios = runs
            .chunks(self.seeds as usize)
            .map(|runs| ScenarioResults {
                reference: runs.iter().map(|(_, all)| all[0].clone()).collect(),
                entries: (1..=self.entries.len())
                    .map(|entry| runs.iter().map(|(_, all)| all[entry].clone()).collect())
                    .collect(),
            })
            .collect();
        Results { scenarios }
    }

    /// Returns how much there is to do, in requests of one contestant.
    pub fn work(&self) -> u64 {
        self.scenarios.iter().map(Scenario::expected_requests).sum::<u64>() * self.seeds
    }

    /// Runs one contestant with the first seed, and keeps a timeline of this many slots.
    pub fn timeline(&self, scenario: &Scenario, entry: &Entry, slots: usize) -> Timeline {
        self.contestant(scenario, entry, self.first_seed, Some(slots)).1
    }

    /// Returns each scenario with each seed. The longest come first, so that no core waits for
    /// another at the end.
    fn jobs(&self) -> Vec<(usize, u64)> {
        let mut order: Vec<_> = (0..self.scenarios.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.scenarios[*index].expected_requests()));
        order
            .into_iter()
            .flat_map(|scenario| self.seeds().map(move |seed| (scenario, seed)))
            .collect()
    }

    /// Runs the reference, then each entry.
    fn one(&self, scenario: &Scenario, seed: u64) -> Vec<Measures> {
        let reference = Conditions {
            seed,
            reject: self.reject,
            timeout_at_objective: false,
            timeline: None,
        };
        let reference = sim::run_reference(scenario, reference).0;
        let entries = self
            .entries
            .iter()
            .map(|entry| self.contestant(scenario, entry, seed, None).0);
        std::iter::once(reference).chain(entries).collect()
    }

    fn contestant(
        &self,
        scenario: &Scenario,
        entry: &Entry,
        seed: u64,
        timeline: Option<usize>,
    ) -> (Measures, Timeline) {
        let conditions = Conditions {
            seed,
            reject: self.reject,
            timeout_at_objective: entry.timeout_at_objective,
            timeline,
        };
        sim::run(scenario, conditions, &|instance| {
            (entry.make)(Setup {
                seed: seed.wrapping_mul(1_000_003).wrapping_add(u64::from(instance)),
                objective: scenario.client.objective.0,
                reject: self.reject,
            })
        })
    }
}

impl ScenarioResults {
    /// Returns an entry's regret for each seed.
    pub fn regrets(&self, entry: usize) -> Vec<f64> {
        let runs = self.entries[entry].iter().zip(&self.reference);
        runs.map(|(measures, reference)| measures.regret(reference)).collect()
    }

    /// Returns how much higher an entry's regret is than another's, seed by seed. Both met the same
    /// requests and faults, so that this difference is surer than the difference of their means.
    pub fn excess(&self, entry: usize, other: usize) -> Option<Estimate> {
        let pairs = self.regrets(entry).into_iter().zip(self.regrets(other));
        let differences: Vec<_> = pairs.map(|(regret, other)| regret - other).collect();
        Estimate::of(&differences)
    }

    /// Returns the mean of a measure over the runs that have it, and the number of these runs.
    pub fn mean(&self, entry: usize, measure: impl Fn(&Measures) -> Option<f64>) -> Option<(f64, usize)> {
        let values: Vec<f64> = self.entries[entry].iter().filter_map(measure).collect();
        Estimate::of(&values).map(|estimate| (estimate.mean, values.len()))
    }

    pub fn total(&self, entry: usize, count: impl Fn(&Measures) -> u64) -> u64 {
        self.entries[entry].iter().map(count).sum()
    }
}
