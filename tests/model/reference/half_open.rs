use super::{Nanos, bucket::Judged};
use crate::common::generated::plan::{FormPlan, Plan};

/// How far access has returned.
#[derive(Clone, Debug)]
pub(crate) struct HalfOpen {
    pub(super) weight: u64,
    pub(super) step: Step,
    pub(super) reservations: Vec<Reservation>,
    began: Nanos,
    /// Each call that ended: whether that decided anything, and when.
    pub(super) ended: Vec<(bool, Nanos)>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Trial {
        permitted: u64,
        /// The least number of bad calls that is too many.
        too_many: u64,
        /// The calls and reservations that hold a place.
        holders: Vec<u64>,
        verdicts: Vec<bool>,
    },
    Stage {
        index: usize,
        since: Nanos,
        log: Vec<Judged>,
        asked: u64,
        granted: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) id: u64,
    pub(super) until: Nanos,
}

impl HalfOpen {
    pub(super) fn new(plan: &Plan, now: Nanos) -> Self {
        let (permitted, too_many) = match plan.recovery.form {
            FormPlan::Gradual { .. } => (1, 1),
            FormPlan::Permitted { calls, bad_percent } => {
                let calls = u64::from(calls);
                let reaches = |bad: &u64| bad * 100 >= bad_percent * calls;
                (calls, (1..=calls).find(reaches).expect("all of them reach it"))
            }
        };
        Self {
            weight: plan.half_open_weight(),
            step: Step::Trial {
                permitted,
                too_many,
                holders: Vec::new(),
                verdicts: Vec::new(),
            },
            reservations: Vec::new(),
            began: now,
            ended: Vec::new(),
        }
    }

    /// Whether a call that asks for its turn gets it.
    pub(super) fn grants(&mut self, id: u64, plan: &Plan) -> bool {
        match &mut self.step {
            Step::Trial {
                permitted,
                holders,
                verdicts,
                ..
            } => {
                let free = ((holders.len() + verdicts.len()) as u64) < *permitted;
                if free {
                    holders.push(id);
                }
                free
            }
            Step::Stage {
                index, asked, granted, ..
            } => {
                // The first that asks gets a turn; a whole turn more for each 100 % that have added
                // up since.
                let turns = 1 + *asked * u64::from(plan.stages()[*index]) / 100;
                *asked += 1;
                let free = *granted < turns;
                *granted += u64::from(free);
                free
            }
        }
    }

    pub(super) fn gives_back(&mut self, id: u64, plan: &Plan) {
        match &mut self.step {
            Step::Trial { holders, .. } => holders.retain(|holder| *holder != id),
            // As if it had never asked; but a turn that others were refused in the meantime is
            // gone.
            Step::Stage {
                index, asked, granted, ..
            } => {
                *asked -= 1;
                *granted -= 1;
                let percent = u64::from(plan.stages()[*index]);
                let turns = (100 - percent + *asked * percent) / 100;
                *granted = turns.max(*granted);
            }
        }
    }

    pub(super) fn undecided_in_a_row(&self) -> u64 {
        self.ended.iter().rev().take_while(|(decided, _)| !decided).count() as u64
    }

    pub(super) fn last_decided(&self) -> Nanos {
        let last = self.ended.iter().rfind(|(decided, _)| *decided);
        last.map_or(self.began, |(_, when)| *when)
    }
}
