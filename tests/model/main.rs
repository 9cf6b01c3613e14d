//! Random sequences against a reference that is too simple to be wrong in the same way.
//!
//! `PROPTEST_CASES` says how many; a failure is kept in `tests/model/regressions.txt` and tried first from then on.

mod compare;
mod found;
mod handle;
mod lanes;
mod op;
mod pair;
mod plan;
mod reference;

use proptest::{prelude::*, test_runner::FileFailurePersistence};

use crate::{
    handle::{Handle, tales},
    lanes::Twins,
    op::stories,
    pair::Pair,
};

fn cases(number: u32) -> ProptestConfig {
    ProptestConfig {
        cases: number,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model/regressions.txt"))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn the_machine_does_as_the_reference_says(story in stories(), seed: u64) {
        let mut pair = Pair::play(&story, seed)?;
        pair.leave_half_open(story.then)?;
    }

    #[test]
    fn each_call_is_counted_once(tale in tales(), seed: u64) {
        Handle::play(&tale, seed)?;
    }

    #[test]
    fn calls_that_pass_the_lock_by_lead_to_the_same(tale in tales(), seed: u64) {
        Twins::play(&tale, seed)?;
    }
}
