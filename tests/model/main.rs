//! Compares the machine, in random sequences, with a reference that is too simple to be wrong in
//! the same way.
//!
//! `PROPTEST_CASES` sets their number. A failure is written to `tests/proptest-regressions/`, and
//! tried first from then on.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod clock;
    pub(crate) mod durations;
    pub(crate) mod generated;
    pub(crate) mod machine;
}

mod compare;
mod found;
mod handle;
mod lockstep;
mod op;
mod reference;

use proptest::{prelude::*, test_runner::FileFailurePersistence};

use crate::{common::generated::act::breaker_runs, handle::Handle, lockstep::Lockstep, op::machine_runs};

fn cases(number: u32) -> ProptestConfig {
    ProptestConfig {
        cases: number,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/proptest-regressions/model.txt",
        ))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn the_machine_does_as_the_reference_says(run in machine_runs(), seed: u64) {
        let mut lockstep = Lockstep::play(&run, seed)?;
        lockstep.leave_half_open(run.then)?;
    }

    #[test]
    fn each_call_is_counted_once(run in breaker_runs(), seed: u64) {
        Handle::play(&run, seed)?;
    }
}
