//! Checks the values of a scenario for sense.

use std::time::Duration;

use super::{Fault, Scenario};

/// A value that can be parsed but makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) section: Section,
    pub(super) field: &'static str,
    pub(super) accepted: &'static str,
}

/// The part of the file that a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Top,
    Table(&'static str),
    /// The index of a `[[fault]]`, from zero.
    Fault(usize),
}

/// The simulation has a stream of random numbers for this many retries of a request.
const MOST_RETRIES: u32 = 60;
const MOST_REQUESTS: u64 = 100_000_000;
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

type Check = (&'static str, bool, &'static str);

pub(super) fn mistake(scenario: &Scenario) -> Option<Mistake> {
    let found = |section: Section, checks: &[Check]| {
        let (field, _, accepted) = checks.iter().find(|(_, sound, _)| !sound)?;
        Some(Mistake {
            section,
            field,
            accepted,
        })
    };
    found(Section::Top, &top(scenario))
        .or_else(|| found(Section::Table("arrivals"), &arrivals(scenario)))
        .or_else(|| found(Section::Table("service"), &service(scenario)))
        .or_else(|| found(Section::Table("client"), &client(scenario)))
        .or_else(|| found(Section::Table("backup"), &backup(scenario)))
        .or_else(|| found(Section::Table("pool"), &pool(scenario)))
        .or_else(|| {
            let mut faults = scenario.faults.iter().enumerate();
            faults.find_map(|(index, fault)| found(Section::Fault(index), &checks_of_fault(fault, scenario)))
        })
        .or_else(|| {
            // The sum makes sense only if all rates do.
            let short = scenario.expected_requests() <= MOST_REQUESTS;
            found(
                Section::Top,
                &[("duration", short, "short enough for 100 million requests")],
            )
        })
}

fn rate(rate: f64) -> bool {
    (0.0..=1.0).contains(&rate)
}

fn frequency(per_second: f64) -> bool {
    (1e-6..=1e6).contains(&per_second)
}

fn count(count: u32) -> bool {
    (1..=100_000).contains(&count)
}

fn top(scenario: &Scenario) -> [Check; 2] {
    [
        ("name", !scenario.name.trim().is_empty(), "a few letters"),
        ("duration", scenario.duration.0 >= Duration::from_secs(1), "1s or more"),
    ]
}

fn arrivals(scenario: &Scenario) -> [Check; 6] {
    let arrivals = &scenario.arrivals;
    [
        (
            "rate",
            arrivals.rate.is_some() != arrivals.callers.is_some(),
            "given, or `callers` in its place",
        ),
        ("rate", arrivals.rate.is_none_or(frequency), "1e-6 to 1e6"),
        ("callers", arrivals.callers.is_none_or(count), "1 to 100000"),
        (
            "pause",
            arrivals.callers.is_none() || arrivals.pause.0 >= SHORTEST_PAUSE,
            "1ms or more where there are callers",
        ),
        ("instances", (1..=10_000).contains(&arrivals.instances), "1 to 10000"),
        ("keys", (1..=10_000).contains(&arrivals.keys), "1 to 10000"),
    ]
}

fn service(scenario: &Scenario) -> [Check; 3] {
    let service = &scenario.service;
    [
        ("median", !service.median.0.is_zero(), "above 0"),
        ("sigma", service.sigma > 0.0 && service.sigma <= 3.0, "above 0, up to 3"),
        ("errors", rate(service.errors), "0 to 1"),
    ]
}

fn client(scenario: &Scenario) -> [Check; 5] {
    let client = &scenario.client;
    [
        ("timeout", !client.timeout.0.is_zero(), "above 0"),
        ("objective", !client.objective.0.is_zero(), "above 0"),
        ("retries", client.retries <= MOST_RETRIES, "0 to 60"),
        (
            "retry_after",
            client.retry_after.is_sound(),
            "a duration, or a range that rises",
        ),
        (
            "drops",
            client
                .drops
                .is_none_or(|drops| rate(drops.share) && drops.after.is_sound()),
            "a share from 0 to 1, and a duration or a range that rises",
        ),
    ]
}

fn backup(scenario: &Scenario) -> [Check; 2] {
    let backup = &scenario.backup;
    [
        ("worth", rate(backup.worth), "0 to 1"),
        ("rate", backup.rate.is_none_or(frequency), "1e-6 to 1e6"),
    ]
}

fn pool(scenario: &Scenario) -> [Check; 2] {
    let pool = scenario.pool.as_ref();
    let warm_up = pool.and_then(|pool| pool.warm_up);
    [
        ("workers", pool.is_none_or(|pool| count(pool.workers)), "1 to 100000"),
        (
            "warm_up",
            warm_up.is_none_or(|warm_up| (0.0..=1e6).contains(&warm_up.slower) && warm_up.answers > 0),
            "slower by 0 to 1e6, and warm after 1 answer or more",
        ),
    ]
}

fn checks_of_fault(fault: &Fault, scenario: &Scenario) -> [Check; 13] {
    let draws = "a duration, or a range that rises";
    [
        ("errors", rate(fault.errors), "0 to 1"),
        ("errors_to", fault.errors_to.is_none_or(rate), "0 to 1"),
        ("hangs", rate(fault.hangs), "0 to 1"),
        (
            "slower",
            fault.slower > 0.0 && fault.slower <= 1e6,
            "above 0, up to 1e6",
        ),
        ("demand", (0.001..=100.0).contains(&fault.demand), "0.001 to 100"),
        ("from", fault.from.is_sound(), draws),
        ("lasts", fault.lasts.is_none_or(super::Draw::is_sound), draws),
        (
            "every",
            fault.every.is_none_or(|every| every.0 >= SHORTEST_PAUSE)
                && (fault.every.is_none() || fault.lasts.is_some()),
            "1ms or more, with `lasts` beside it",
        ),
        (
            "flaps",
            fault
                .flaps
                .is_none_or(|flaps| flaps.there.is_sound() && flaps.away.is_sound()),
            "for ranges that rise",
        ),
        (
            "flaps",
            fault.flaps.is_none() || fault.every.is_none(),
            "there without `every`",
        ),
        (
            "key",
            fault.key.is_none_or(|key| key < scenario.arrivals.keys),
            "below arrivals.keys",
        ),
        (
            "down",
            !fault.down || scenario.pool.is_some(),
            "true with a [pool] only",
        ),
        (
            "pauses",
            !fault.pauses || scenario.pool.is_none(),
            "true without a [pool] only",
        ),
    ]
}
