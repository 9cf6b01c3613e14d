//! The plot of regret: a dot for each contestant and scenario.

use bench_common::svg::{Anchor, Number, Rect, Svg};

use super::{axis::RegretScale, style::STYLE};
use crate::{
    ranking::{Ranking, Row, counted},
    run::Bench,
    table,
};

const WIDTH: f64 = 960.0;
/// The width of the contestants' names.
const NAMES: f64 = 236.0;
const AXIS_END: f64 = 754.0;
const MEAN: f64 = 830.0;
const WORST: f64 = 896.0;
const TOP: f64 = 92.0;
const ROW: f64 = 18.0;

/// Draws a row for each contestant, the best first, and in it a dot at the regret of each scenario.
pub fn regret(bench: &Bench<'_>, ranking: &Ranking) -> String {
    let bottom = TOP + ROW * ranking.rows.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 40.0, "Answers lost per 1000 requests, by contestant");
    let regrets = ranking.rows.iter().flat_map(|row| &row.regrets);
    let scale = RegretScale::over(regrets.map(|regret| regret.mean));
    let x = |regret: f64| NAMES + scale.place(regret) * (AXIS_END - NAMES);
    let counted = counted(bench);

    svg.text("title", (20.0, 30.0), Anchor::Start, "Answers lost per 1000 requests");
    svg.text(
        "dim",
        (20.0, 48.0),
        Anchor::Start,
        "beside an all-knowing reference; lower is better",
    );
    legend(&mut svg, bench.scenarios.len() > counted.len());
    svg.text("bold", (MEAN, TOP - 12.0), Anchor::End, "mean");
    svg.text("bold", (WORST, TOP - 12.0), Anchor::End, "worst");
    for index in (0..ranking.rows.len()).step_by(2) {
        let band = Rect {
            x: 12.0,
            y: TOP + ROW * index as f64,
            width: WIDTH - 24.0,
            height: ROW,
        };
        svg.rect("band", band);
    }
    for mark in scale.marks() {
        let class = if mark == 0.0 { "axis" } else { "grid" };
        svg.line(class, (x(mark), TOP), (x(mark), bottom));
        let label = Number(mark).to_string();
        svg.text("dim", (x(mark), TOP - 12.0), Anchor::Middle, &label);
        svg.text("dim", (x(mark), bottom + 18.0), Anchor::Middle, &label);
    }
    for (index, row) in ranking.rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        draw_row(&mut svg, bench, row, (&counted, y), &x);
    }
    svg.finish(STYLE)
}

fn legend(svg: &mut Svg, some_apart: bool) {
    let y = 44.0;
    svg.circle("peer dot", (420.0, y - 4.0), 4.0, "");
    svg.text("dim", (430.0, y), Anchor::Start, "a scenario");
    if some_apart {
        svg.circle("peer-line ring", (506.0, y - 4.0), 3.5, "");
        svg.text("dim", (516.0, y), Anchor::Start, "one that is not in the mean");
    }
    svg.path("peer", &diamond(694.0, y - 4.0));
    svg.text("dim", (705.0, y), Anchor::Start, "mean");
    svg.path("ours", &diamond(760.0, y - 4.0));
    svg.text("dim", (771.0, y), Anchor::Start, "ours");
}

fn draw_row(svg: &mut Svg, bench: &Bench<'_>, row: &Row, (counted, y): (&[usize], f64), x: &dyn Fn(f64) -> f64) {
    let entry = &bench.entries[row.entry];
    let (fill, line, text) = if entry.is_ours() {
        ("ours", "ours-line", "bold")
    } else {
        ("peer", "peer-line", "")
    };
    svg.text(text, (NAMES - 16.0, y + 4.0), Anchor::End, entry.name);
    let means = row.regrets.iter().map(|regret| regret.mean);
    let (least, most) = means.fold((f64::MAX, f64::MIN), |(least, most), mean| {
        (least.min(mean), most.max(mean))
    });
    svg.line(&format!("{line} through"), (x(least), y), (x(most), y));
    for (index, (scenario, regret)) in bench.scenarios.iter().zip(&row.regrets).enumerate() {
        let shown = table::regret_with_error(*regret);
        let tip = format!("{}: {} {}: {shown}", entry.name, scenario.name, scenario.title);
        if counted.contains(&index) {
            svg.circle(&format!("{fill} dot"), (x(regret.mean), y), 4.0, &tip);
        } else {
            svg.circle(&format!("{line} ring"), (x(regret.mean), y), 3.5, &tip);
        }
    }
    svg.path(fill, &diamond(x(row.mean.mean), y));
    let mean = table::regret_with_error(row.mean);
    svg.text(text, (MEAN, y + 4.0), Anchor::End, &mean);
    let worst = &bench.scenarios[row.worst].name;
    svg.text("dim", (WORST + 6.0, y + 4.0), Anchor::Start, worst);
    svg.text(
        text,
        (WORST, y + 4.0),
        Anchor::End,
        &table::regret(row.regrets[row.worst].mean),
    );
}

fn diamond(x: f64, y: f64) -> String {
    let (across, down) = (5.5, 7.5);
    format!(
        "M{} {}L{} {}L{} {}L{} {}Z",
        Number(x),
        Number(y - down),
        Number(x + across),
        Number(y),
        Number(x),
        Number(y + down),
        Number(x - across),
        Number(y)
    )
}
