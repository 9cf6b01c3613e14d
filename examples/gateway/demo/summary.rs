//! The summary of the demonstration.

use tower::BoxError;
use tower_breaker::State;

use super::{load::Answers, view::View};
use crate::table::Table;

/// Prints what users got. Returns an error if the breakers were of no use.
pub(crate) fn summarize(answers: &Answers, view: &View, table: &Table, keep: bool) -> Result<(), BoxError> {
    println!();
    println!("{} requests", answers.all_good() + answers.errors);
    for (instance, count) in &answers.good {
        println!("{count:7} answered by {instance}");
    }
    println!(
        "{:7} of these late: they waited for the instance that hung, and then went to another",
        answers.late
    );
    println!("{:7} errors seen by users", answers.errors);
    println!("trips:");
    for trip in &view.trips {
        println!("{trip}");
    }
    let open = table.instances().filter_map(|instance| instance.breaker());
    let open = open.filter(|breaker| breaker.state() != State::Closed).count();
    // With `keep`, an operator may have changed the breakers.
    if keep {
        return Ok(());
    }
    if answers.errors > 0 || view.trips.len() < 5 || open > 0 {
        return Err(format!(
            "gateway: {} errors, {} trips, {open} breakers still open",
            answers.errors,
            view.trips.len()
        )
        .into());
    }
    Ok(())
}
