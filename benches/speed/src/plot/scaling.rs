//! The plot of costs by how much the breaker has to remember.

use bench_common::svg::{Anchor, Number, Svg};

use super::{scale::Scale, style::STYLE};
use crate::{
    contestant::Contestant,
    figures::{Figure, Figures},
    scaling::Scaling,
};

const WIDTH: f64 = 760.0;
const PANEL: f64 = 240.0;
const TOP: f64 = 64.0;
const LEFT: f64 = 60.0;
const PLOT_END: f64 = 470.0;
/// The height of a panel's plot, without its labels.
const HEIGHT: f64 = 160.0;
const LABEL: f64 = 12.0;

/// Draws a panel for each quantity that grows. A level line is a flat cost.
pub(crate) fn scaling(figures: &Figures) -> String {
    let panels: Vec<_> = Scaling::ALL
        .iter()
        .filter(|scaling| !figures.names(scaling.measure()).is_empty())
        .collect();
    let height = TOP + PANEL * panels.len() as f64;
    let mut svg = Svg::new(WIDTH, height, "Nanoseconds per call, by how much there is to remember");
    svg.text(
        "title",
        (20.0, 30.0),
        Anchor::Start,
        "What a call costs when there is more to remember",
    );
    svg.text(
        "dim",
        (20.0, 48.0),
        Anchor::Start,
        "nanoseconds over the bare call; a level line is best",
    );
    for (index, scaling) in panels.into_iter().enumerate() {
        draw_panel(&mut svg, figures, *scaling, TOP + PANEL * index as f64 + 20.0);
    }
    svg.finish(STYLE)
}

fn draw_panel(svg: &mut Svg, figures: &Figures, scaling: Scaling, top: f64) {
    let scale = Scale::over(figures.of(scaling.measure()).map(|figure| figure.spread.median));
    let y = |value: f64| top + HEIGHT * (1.0 - scale.place(value));
    let steps = scaling.steps();
    let x = |step: usize| LEFT + (PLOT_END - LEFT) * step as f64 / (steps.len() - 1) as f64;
    for mark in scale.marks() {
        svg.line("grid", (LEFT, y(mark)), (PLOT_END, y(mark)));
        svg.text(
            "dim",
            (LEFT - 8.0, y(mark) + 4.0),
            Anchor::End,
            &Number(mark).to_string(),
        );
    }
    for (index, step) in steps.iter().enumerate() {
        svg.text(
            "dim",
            (x(index), top + HEIGHT + 16.0),
            Anchor::Middle,
            &step.to_string(),
        );
    }
    let middle = (LEFT + PLOT_END) / 2.0;
    svg.text("bold", (middle, top + HEIGHT + 32.0), Anchor::Middle, scaling.about());

    let place = |figure: &Figure| {
        let step = steps.iter().position(|step| step.to_string() == figure.case);
        step.map(|step| (x(step), y(figure.spread.median)))
    };
    let mut labels = Vec::new();
    for name in figures.names(scaling.measure()) {
        let figures: Vec<_> = figures
            .of(scaling.measure())
            .filter(|figure| figure.name == name)
            .collect();
        let points: Vec<_> = figures.iter().filter_map(|figure| place(figure)).collect();
        let (fill, line) = classes(name);
        for (from, to) in points.iter().zip(points.iter().skip(1)) {
            svg.line(line, *from, *to);
        }
        for (point, figure) in points.iter().zip(&figures) {
            let tip = format!("{name}, {}: {:.1} ns", figure.case, figure.spread.median);
            svg.circle(fill, *point, 3.0, &tip);
        }
        let last = points.last().zip(figures.last());
        labels.extend(last.map(|((_, y), figure)| (*y, format!("{name}: {:.0}", figure.spread.median))));
    }
    draw_labels(svg, labels);
}

/// Writes labels beside the ends of their lines, without overlaps.
fn draw_labels(svg: &mut Svg, mut labels: Vec<(f64, String)>) {
    labels.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut free = f64::MIN;
    for (y, label) in labels {
        let y = f64::max(y, free);
        free = y + LABEL;
        let text = if label.starts_with(Contestant::Ours.name()) {
            "bold"
        } else {
            ""
        };
        svg.text(text, (PLOT_END + 28.0, y + 4.0), Anchor::Start, &label);
    }
}

fn classes(name: &str) -> (&'static str, &'static str) {
    if name.starts_with(Contestant::Ours.name()) {
        ("ours", "ours-line")
    } else {
        ("peer", "peer-line")
    }
}
