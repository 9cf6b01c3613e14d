//! The timelines of one scenario: where calls went, and what was lost, in each moment.

use std::fmt::Write;

use bench_common::svg::{Anchor, Number, Rect, Svg};

use super::{
    axis::{round_marks, time_marks},
    gates,
    style::STYLE,
};
use crate::{
    measure::{Slot, Timeline},
    scenario::{Plan, Scenario},
};

/// How many slots a timeline has.
pub const SLOTS: usize = 240;

/// The run of one contestant.
#[derive(Debug)]
pub struct Panel {
    pub name: &'static str,
    /// The run's main figures.
    pub about: String,
    pub timeline: Timeline,
}

const WIDTH: f64 = 892.0;
const LEFT: f64 = 60.0;
/// The width of all slots.
const ACROSS: f64 = 800.0;
const TOP: f64 = 76.0;
/// The heights in a panel: its heading, the band of the gates, and the calls.
const HEADING: f64 = 22.0;
const BAND: f64 = 9.0;
const CALLS: f64 = 68.0;
const GAP: f64 = 16.0;

/// Draws a panel for each contestant: where the calls went, which answers were lost, and what the
/// breakers' gates did.
pub fn timeline(scenario: &Scenario, seed: u64, panels: &[Panel]) -> String {
    let scale = Scale::over(panels);
    let heights = panels.iter().map(|panel| scale.height(&panel.timeline));
    let bottom = TOP + heights.sum::<f64>() - GAP;
    let title = format!("{} {}", scenario.name, scenario.title);
    let mut svg = Svg::new(WIDTH, bottom + 36.0, &format!("{title}: how it went"));
    svg.text("title", (20.0, 30.0), Anchor::Start, &title);
    let subtitle = format!("calls a second; seed {seed}");
    svg.text("dim", (LEFT + ACROSS, 30.0), Anchor::End, &subtitle);
    let time = Time::of(scenario);
    legend(&mut svg);
    draw_faults(&mut svg, scenario, seed, &time, bottom);
    let mut top = TOP;
    for panel in panels {
        svg.text("bold", (LEFT, top + 14.0), Anchor::Start, panel.name);
        svg.text("dim", (LEFT + ACROSS, top + 14.0), Anchor::End, &panel.about);
        draw_gates(&mut svg, scenario, &panel.timeline, top + HEADING);
        draw_calls(&mut svg, &panel.timeline, &scale, top + HEADING + BAND + CALLS);
        top += scale.height(&panel.timeline);
    }
    for mark in time_marks(scenario.duration.0) {
        let x = time.x(mark.at.as_secs_f64());
        svg.line("axis", (x, bottom), (x, bottom + 5.0));
        svg.text("dim", (x, bottom + 19.0), Anchor::Middle, &mark.label);
    }
    svg.finish(STYLE)
}

struct Time {
    seconds: f64,
}

impl Time {
    fn of(scenario: &Scenario) -> Self {
        Self {
            seconds: scenario.duration.0.as_secs_f64(),
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + ACROSS * seconds / self.seconds
    }
}

/// The legend's entries: class, label and width.
const CALLS_LEGEND: [(&str, &str, f64); 5] = [
    ("demand", "requests", 84.0),
    ("primary", "to the primary", 112.0),
    ("backup", "refused", 76.0),
    ("lost", "answers lost", 100.0),
    ("fault", "a fault", 72.0),
];
const GATES_LEGEND: [(&str, &str, f64); 3] = [
    ("closed", "closed", 70.0),
    ("half-open", "half-open", 84.0),
    ("open", "open", 0.0),
];

fn legend(svg: &mut Svg) {
    let y = 54.0;
    let mut x = LEFT;
    for (class, label, width) in CALLS_LEGEND {
        sample(svg, class, (x, y), label);
        x += width;
    }
    x += 64.0;
    svg.text("dim", (x - 8.0, y), Anchor::End, "breaker:");
    for (class, label, width) in GATES_LEGEND {
        sample(svg, class, (x, y), label);
        x += width;
    }
}

fn sample(svg: &mut Svg, class: &str, (x, y): (f64, f64), label: &str) {
    if class == "demand" {
        svg.line(class, (x, y - 4.0), (x + 11.0, y - 4.0));
    } else {
        let sample = Rect {
            x,
            y: y - 9.0,
            width: 11.0,
            height: 10.0,
        };
        svg.rect(class, sample);
    }
    svg.text("dim", (x + 16.0, y), Anchor::Start, label);
}

fn draw_faults(svg: &mut Svg, scenario: &Scenario, seed: u64, time: &Time, bottom: f64) {
    let mut drawn = 0.0_f64;
    for outage in Plan::draw(scenario, seed).outages {
        let [from, until] = [outage.from, outage.until].map(|at| time.x(at.as_nanos() as f64 / 1e9));
        // Overlapping faults don't darken each other.
        let from = from.max(drawn);
        if until > from {
            let fault = Rect {
                x: from,
                y: TOP + HEADING - 4.0,
                width: until - from,
                height: bottom - TOP - HEADING + 4.0,
            };
            svg.rect("fault", fault);
            drawn = until;
        }
    }
}

fn draw_gates(svg: &mut Svg, scenario: &Scenario, timeline: &Timeline, top: f64) {
    let band = Rect {
        x: LEFT,
        y: top,
        width: ACROSS,
        height: BAND,
    };
    svg.rect("closed", band);
    let shares = gates::shares(timeline, scenario.arrivals.instances);
    let bottom = top + BAND;
    let not_closed = shares
        .iter()
        .map(|share| bottom - BAND * (share.half_open + share.open));
    svg.path("half-open", &area(not_closed, bottom));
    svg.path(
        "open",
        &area(shares.iter().map(|share| bottom - BAND * share.open), bottom),
    );
}

/// The scale of the calls, which is the same in all panels.
struct Scale {
    /// The most calls per second.
    most: f64,
}

impl Scale {
    fn over(panels: &[Panel]) -> Self {
        let most = panels.iter().map(|panel| {
            most(&panel.timeline, |slot| {
                (slot.to_primary + slot.refused).max(slot.demand)
            })
        });
        Self {
            most: most.fold(f64::MIN_POSITIVE, f64::max),
        }
    }

    fn pixels(&self, rate: f64) -> f64 {
        (CALLS - 2.0) * rate / self.most
    }

    /// Returns a panel's height. It extends downwards as far as answers are lost. A crash may lose
    /// more answers than a slot has requests; those are cut off.
    fn height(&self, timeline: &Timeline) -> f64 {
        let lost = most(timeline, |slot| slot.lost).min(self.most);
        HEADING + BAND + CALLS + self.pixels(lost) + GAP
    }
}

/// Returns the highest count, per second.
fn most(timeline: &Timeline, count: impl Fn(&Slot) -> u32) -> f64 {
    let most = timeline.slots.iter().map(count).max().unwrap_or(0);
    f64::from(most) / timeline.slot.as_secs_f64()
}

fn draw_calls(svg: &mut Svg, timeline: &Timeline, scale: &Scale, zero: f64) {
    let height = |count: u32| scale.pixels((f64::from(count) / timeline.slot.as_secs_f64()).min(scale.most));
    let y = |count: u32| zero - height(count);
    for mark in round_marks(scale.most) {
        let y = zero - scale.pixels(mark);
        svg.line("grid", (LEFT, y), (LEFT + ACROSS, y));
        svg.text(
            "dim small",
            (LEFT - 8.0, y + 3.5),
            Anchor::End,
            &Number(mark).to_string(),
        );
    }
    let slots = &timeline.slots;
    svg.path(
        "backup",
        &area(slots.iter().map(|slot| y(slot.to_primary + slot.refused)), zero),
    );
    svg.path("primary", &area(slots.iter().map(|slot| y(slot.to_primary)), zero));
    svg.path("lost", &area(slots.iter().map(|slot| zero + height(slot.lost)), zero));
    svg.path("demand", &steps(slots.iter().map(|slot| y(slot.demand))));
    svg.line("axis", (LEFT, zero), (LEFT + ACROSS, zero));
}

/// Returns the outline of an area between `base` and each slot's height.
fn area(heights: impl Iterator<Item = f64>, base: f64) -> String {
    let mut path = format!("M{LEFT} {}", Number(base));
    outline(&mut path, heights);
    let _ = write!(path, "V{}Z", Number(base)); // Writing to a string can't fail.
    path
}

fn steps(mut heights: impl Iterator<Item = f64>) -> String {
    let Some(first) = heights.next() else {
        return String::new();
    };
    let mut path = format!("M{LEFT} {}", Number(first));
    outline(&mut path, std::iter::once(first).chain(heights));
    path
}

fn outline(path: &mut String, heights: impl Iterator<Item = f64>) {
    let mut heights = heights.enumerate().peekable();
    while let Some((index, height)) = heights.next() {
        let mut end = index;
        while let Some((index, _)) = heights.next_if(|(_, next)| *next == height) {
            end = index;
        }
        let x = LEFT + ACROSS * (end + 1) as f64 / SLOTS as f64;
        let _ = write!(path, "V{}H{}", Number(height), Number(x));
    }
}
