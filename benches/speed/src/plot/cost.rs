//! The plot of costs by path and contestant.

use bench_common::svg::{Anchor, Number, Rect, Svg};

use super::{scale::Scale, style::STYLE};
use crate::{
    contestant::Contestant,
    figures::{Figure, Figures, Measure},
    path::Path,
};

const WIDTH: f64 = 760.0;
const NAMES: f64 = 170.0;
const AXIS_END: f64 = 690.0;
const TOP: f64 = 80.0;
const ROW: f64 = 16.0;
const HEAD: f64 = 24.0;

/// The limits of the budgets, for the paths that have one.
const LIMITS: &[(Path, f64)] = &[
    (Path::Closed, 10.0),
    (Path::SlowAfter, 65.0),
    (Path::Rejecting, 10.0),
    (Path::Backup, 15.0),
];

/// Draws a group for each path and a row for each contestant: the median and the quartiles.
pub(crate) fn cost(figures: &Figures) -> String {
    let shown = |figure: &&Figure| figure.name != Contestant::Bare.name();
    let groups: Vec<(Path, Vec<&Figure>)> = Path::ALL
        .iter()
        .map(|path| {
            let of_path = figures
                .of(Measure::OverBare)
                .filter(|figure| figure.case == path.name());
            (*path, of_path.filter(shown).collect())
        })
        .filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty())
        .collect();
    let rows: usize = groups.iter().map(|(_, rows)| rows.len()).sum();
    let bottom = TOP + HEAD * groups.len() as f64 + ROW * rows as f64;
    let mut svg = Svg::new(
        WIDTH,
        bottom + 36.0,
        "Nanoseconds per call over a bare call, by path and contestant",
    );
    svg.text("title", (20.0, 30.0), Anchor::Start, "What a call costs");
    let subtitle = "nanoseconds over the bare call, medians and quartiles; lower is better";
    svg.text("dim", (20.0, 48.0), Anchor::Start, subtitle);
    svg.line("budget", (560.0, 36.0), (560.0, 50.0));
    svg.text("dim", (568.0, 48.0), Anchor::Start, "this project's budget");

    let scale = Scale::over(
        groups
            .iter()
            .flat_map(|(_, rows)| rows)
            .map(|figure| figure.spread.upper),
    );
    let x = |value: f64| NAMES + scale.place(value) * (AXIS_END - NAMES);
    for mark in scale.marks() {
        svg.line("grid", (x(mark), TOP), (x(mark), bottom));
        svg.text("dim", (x(mark), TOP - 8.0), Anchor::Middle, &Number(mark).to_string());
        svg.text(
            "dim",
            (x(mark), bottom + 18.0),
            Anchor::Middle,
            &Number(mark).to_string(),
        );
    }
    let mut y = TOP;
    for (path, rows) in &groups {
        let band = Rect {
            x: 12.0,
            y: y + 4.0,
            width: WIDTH - 24.0,
            height: HEAD - 6.0,
        };
        svg.rect("band", band);
        svg.text("bold", (20.0, y + 17.0), Anchor::Start, path.about());
        y += HEAD;
        let limit = LIMITS.iter().find(|(limited, _)| limited == path);
        for figure in rows {
            let limit = limit.filter(|_| figure.name == Contestant::Ours.name());
            if let Some((_, limit)) = limit {
                svg.line("budget", (x(*limit), y + 2.0), (x(*limit), y + ROW - 2.0));
            }
            draw_row(&mut svg, figure, y + ROW / 2.0, &x);
            y += ROW;
        }
    }
    svg.finish(STYLE)
}

fn draw_row(svg: &mut Svg, figure: &Figure, y: f64, x: &dyn Fn(f64) -> f64) {
    let contestant = Contestant::ALL
        .iter()
        .find(|contestant| contestant.name() == figure.name);
    let (fill, line, text) = match contestant {
        Some(Contestant::Ours) => ("ours", "ours-line", "bold"),
        Some(contestant) if contestant.is_floor() => ("floor", "floor-line", "dim"),
        _ => ("peer", "peer-line", ""),
    };
    let spread = figure.spread;
    let value = format!("{:.1}", spread.median);
    svg.text(text, (NAMES - 12.0, y + 4.0), Anchor::End, figure.name);
    svg.line(line, (x(spread.lower), y), (x(spread.upper), y));
    svg.circle(
        fill,
        (x(spread.median), y),
        4.0,
        &format!("{}: {value} ns", figure.name),
    );
    svg.text(text, (WIDTH - 20.0, y + 4.0), Anchor::End, &value);
}
