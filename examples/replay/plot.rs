//! Draws a replay as SVG: the calls over time, and when the breaker would have tripped.

use std::fmt::Write as _;

use tower_breaker::replay::{ReplayedCall, Report, Trace};

/// The calls over time, by what would have happened to them.
pub(crate) struct Timeline {
    start: u64,
    /// The length of a column in nanoseconds.
    length: u64,
    columns: Vec<[u32; KINDS.len()]>,
}

/// Names and colors, from the bottom up.
const KINDS: [(&str, &str); 5] = [
    ("to the primary: good", "#4c9f70"),
    ("to the primary: bad", "#d1495b"),
    ("diverted: would have been bad", "#30638e"),
    ("diverted: would have been good", "#a9c9e8"),
    ("unknown", "#bbbbbb"),
];

const COLUMNS: u64 = 240;
const SECOND: u64 = 1_000_000_000;
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 980.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 370.0;

impl Timeline {
    pub(crate) fn new(trace: &Trace) -> Self {
        let calls = trace.calls();
        let span = trace.span().as_nanos() as u64;
        // Parts of a second for a short trace, otherwise whole seconds.
        let length = match span / COLUMNS {
            short @ 0..SECOND => [SECOND / 10, SECOND / 4, SECOND / 2, SECOND]
                .into_iter()
                .find(|length| *length >= short)
                .unwrap_or(SECOND),
            long => long.div_ceil(SECOND) * SECOND,
        };
        let start = calls
            .first()
            .map_or(0, |call| call.start().as_nanos() / length * length);
        let end = calls.last().map_or(0, |call| call.start().as_nanos());
        Self {
            start,
            length,
            columns: vec![[0; KINDS.len()]; ((end - start) / length + 1) as usize],
        }
    }

    pub(crate) fn note(&mut self, replayed: &ReplayedCall<'_>) {
        let column = (replayed.call.start().as_nanos() - self.start) / self.length;
        let kind = match (replayed.was_good, replayed.diverted) {
            (Some(true), false) => 0,
            (Some(false), false) => 1,
            (Some(false), true) => 2,
            (Some(true), true) => 3,
            (None, _) => 4,
        };
        self.columns[column as usize][kind] += 1;
    }

    pub(crate) fn svg(&self, report: &Report) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        // Writing to a string can't fail.
        let _ = self.open_times(&mut svg, report);
        let _ = self.bars(&mut svg);
        let _ = self.axes(&mut svg);
        let _ = self.trips(&mut svg, report);
        let _ = legend(&mut svg);
        svg + "</svg>\n"
    }

    /// Returns the horizontal position of a time.
    fn x(&self, nanos: u64) -> f64 {
        let all = self.columns.len() as f64 * self.length as f64;
        LEFT + (RIGHT - LEFT) * (nanos.saturating_sub(self.start) as f64 / all).min(1.0)
    }

    /// Returns the height of the highest column, in calls.
    fn most(&self) -> f64 {
        let heights = self.columns.iter().map(|column| column.iter().sum::<u32>());
        f64::from(heights.max().unwrap_or(0).max(1))
    }

    fn seconds(&self) -> f64 {
        self.length as f64 / SECOND as f64
    }

    fn open_times(&self, svg: &mut String, report: &Report) -> std::fmt::Result {
        for trip in &report.trips {
            let from = self.x(trip.at.as_nanos());
            let to = trip.closed_at.map_or(RIGHT, |closed| self.x(closed.as_nanos()));
            writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#fff3d6\"/>",
                to - from,
                BOTTOM - TOP
            )?;
        }
        Ok(())
    }

    fn bars(&self, svg: &mut String) -> std::fmt::Result {
        let width = (RIGHT - LEFT) / self.columns.len() as f64;
        let unit = (BOTTOM - TOP) / self.most();
        for (index, column) in self.columns.iter().enumerate() {
            let mut y = BOTTOM;
            for (calls, (_, color)) in column.iter().zip(KINDS).filter(|(calls, _)| **calls > 0) {
                let height = f64::from(*calls) * unit;
                y -= height;
                writeln!(
                    svg,
                    "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{color}\"/>",
                    LEFT + width * index as f64,
                    (width * 0.92).max(0.5),
                )?;
            }
        }
        Ok(())
    }

    fn axes(&self, svg: &mut String) -> std::fmt::Result {
        writeln!(
            svg,
            "<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#333\"/>\n\
             <text x=\"{LEFT}\" y=\"{:.0}\" text-anchor=\"middle\">calls/s</text>\n\
             <text x=\"{RIGHT}\" y=\"{:.0}\" text-anchor=\"end\">seconds since the first call</text>",
            TOP - 8.0,
            BOTTOM + 34.0
        )?;
        let most = self.most() / self.seconds();
        for rate in ticks(most) {
            let y = BOTTOM - (BOTTOM - TOP) * rate / most;
            writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}h-4\" stroke=\"#333\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{rate}</text>",
                LEFT - 7.0,
                y + 4.0
            )?;
        }
        let span = self.columns.len() as f64 * self.seconds();
        for second in ticks(span) {
            let x = LEFT + (RIGHT - LEFT) * second / span;
            writeln!(
                svg,
                "<path d=\"M{x:.1} {BOTTOM}v4\" stroke=\"#333\"/><text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{second}</text>",
                BOTTOM + 17.0
            )?;
        }
        Ok(())
    }

    fn trips(&self, svg: &mut String, report: &Report) -> std::fmt::Result {
        for trip in &report.trips {
            let x = self.x(trip.at.as_nanos());
            let is_false = trip.is_false(report.worth) == Some(true);
            let color = if is_false { "#d1495b" } else { "#222" };
            writeln!(
                svg,
                "<path d=\"M{x:.1} {:.1}V{BOTTOM}\" stroke=\"{color}\" stroke-dasharray=\"3 3\"/>\
                 <path d=\"M{x:.1} {TOP}l-5 -9h10z\" fill=\"{color}\"><title>{}</title></path>",
                TOP,
                escaped(&trip.reason.to_string())
            )?;
        }
        Ok(())
    }
}

fn legend(svg: &mut String) -> std::fmt::Result {
    let mut x = LEFT;
    for (name, color) in KINDS {
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"14\" width=\"12\" height=\"12\" fill=\"{color}\"/><text x=\"{}\" y=\"24\">{name}</text>",
            x + 17.0
        )?;
        x += 45.0 + 6.2 * name.len() as f64;
    }
    writeln!(
        svg,
        "<path d=\"M{LEFT} 34h12l-6 10z\" fill=\"#222\"/><text x=\"{}\" y=\"44\">a trip (red: a false one)</text>\
         <rect x=\"{}\" y=\"34\" width=\"12\" height=\"12\" fill=\"#fff3d6\" stroke=\"#ccc\"/>\
         <text x=\"{}\" y=\"44\">open or half-open</text>",
        LEFT + 17.0,
        LEFT + 200.0,
        LEFT + 217.0
    )
}

/// Returns about five round numbers up to `most`.
fn ticks(most: f64) -> impl Iterator<Item = f64> {
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| most / step <= 6.0)
        .unwrap_or(most);
    (0..)
        .map(move |nth| f64::from(nth) * step)
        .take_while(move |tick| *tick <= most)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
