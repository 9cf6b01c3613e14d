//! The heat map of regret by contestant and scenario.

use bench_common::svg::{Anchor, Rect, Svg};

use super::{axis::RegretScale, style::STYLE};
use crate::{ranking::Ranking, run::Bench, statistics::Estimate, table};

const NAMES: f64 = 236.0;
const TOP: f64 = 92.0;
const CELL: f64 = 38.0;
const ROW: f64 = 20.0;
/// Between the scenarios and the columns of means.
const GAP: f64 = 10.0;

/// Draws a row for each contestant, the best first, and a column for each scenario. The darker a
/// cell, the more is lost.
pub fn heatmap(bench: &Bench<'_>, ranking: &Ranking) -> String {
    let across = bench.scenarios.len();
    let right = NAMES + CELL * (across + 2) as f64 + GAP;
    let bottom = TOP + ROW * ranking.rows.len() as f64;
    let mut svg = Svg::new(
        right + 20.0,
        bottom + 20.0,
        "Answers lost per 1000 requests, by contestant and scenario",
    );
    svg.text("title", (20.0, 30.0), Anchor::Start, "Answers lost per 1000 requests");
    let subtitle = "beside an all-knowing reference; lower is better";
    svg.text("dim", (20.0, 48.0), Anchor::Start, subtitle);
    let x = |column: usize| NAMES + CELL * column as f64 + if column < across { 0.0 } else { GAP };
    let heads = bench.scenarios.iter().map(|scenario| scenario.name.as_str());
    for (column, head) in heads.chain(["mean", "worst"]).enumerate() {
        svg.text(
            "bold",
            (x(column) + CELL / 2.0, TOP - 8.0),
            Anchor::Middle,
            &short(head),
        );
    }
    let regrets = ranking.rows.iter().flat_map(|row| &row.regrets);
    let scale = RegretScale::over(regrets.map(|regret| regret.mean));
    for (index, row) in ranking.rows.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let entry = &bench.entries[row.entry];
        let class = if entry.is_ours() { "bold" } else { "" };
        svg.text(class, (NAMES - 10.0, y + 14.0), Anchor::End, entry.name);
        let titles = bench
            .scenarios
            .iter()
            .map(|scenario| format!("{} {}", scenario.name, scenario.title));
        let worst = format!("worst: {}", bench.scenarios[row.worst].name);
        let figures = row.regrets.iter().chain([&row.mean, &row.regrets[row.worst]]);
        let titled = titles.chain(["mean".to_owned(), worst]).zip(figures);
        for (column, (title, regret)) in titled.enumerate() {
            let rect = Rect {
                x: x(column) + 0.5,
                y: y + 0.5,
                width: CELL - 1.0,
                height: ROW - 1.0,
            };
            draw_cell(
                &mut svg,
                rect,
                scale.place(regret.mean),
                &format!("{}: {title}", entry.name),
                *regret,
            );
        }
    }
    svg.finish(STYLE)
}

fn draw_cell(svg: &mut Svg, rect: Rect, place: f64, title: &str, regret: Estimate) {
    let color = color(place);
    svg.tile(color, rect, &format!("{title}: {}", table::regret_with_error(regret)));
    let class = if is_dark(color) {
        "small on-dark"
    } else {
        "small on-light"
    };
    let middle = (rect.x + rect.width / 2.0, rect.y + rect.height / 2.0 + 3.5);
    svg.text(class, middle, Anchor::Middle, &table::regret(regret.mean));
}

/// From light to dark, in even steps of luminance, so that readers with color blindness see the
/// same order. Colors between them are interpolated.
const COLORS: [[f64; 3]; 5] = [
    [250.0, 249.0, 246.0],
    [254.0, 232.0, 178.0],
    [248.0, 172.0, 92.0],
    [206.0, 72.0, 78.0],
    [84.0, 18.0, 76.0],
];

fn color(place: f64) -> [u8; 3] {
    let place = place.clamp(0.0, 1.0) * (COLORS.len() - 1) as f64;
    let below = (place as usize).min(COLORS.len() - 2);
    let share = place - below as f64;
    [0, 1, 2].map(|part| {
        let (from, to) = (COLORS[below][part], COLORS[below + 1][part]);
        (from + (to - from) * share).round() as u8
    })
}

/// Returns whether a color is dark, by the luma of ITU-R BT.601.
fn is_dark([red, green, blue]: [u8; 3]) -> bool {
    0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue) < 140.0
}

/// Shortens a name to fit a column.
fn short(name: &str) -> String {
    const FITS: usize = 5;
    if name.chars().count() <= FITS {
        name.to_owned()
    } else {
        name.chars().take(FITS - 1).chain(['…']).collect()
    }
}
