//! Writes samples in Prometheus's text format, version 0.0.4.

use std::fmt::Write;

use super::{
    sample::Sample,
    series::{Kind, SERIES},
};

/// Returns the samples as text, grouped by series.
pub(super) fn prometheus(samples: &[Sample]) -> String {
    let mut text = String::new();
    for series in SERIES {
        let mut samples = samples.iter().filter(|sample| sample.series == series).peekable();
        if samples.peek().is_none() {
            continue;
        }
        let kind = match series.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a `String` can't fail.
        let _ = writeln!(text, "# HELP {} {}", series.name, series.help);
        let _ = writeln!(text, "# TYPE {} {kind}", series.name);
        for sample in samples {
            text.push_str(series.name);
            let mut separator = '{';
            for (name, value) in sample.labels() {
                let _ = write!(text, "{separator}{name}=\"");
                escape(value, &mut text);
                text.push('"');
                separator = ',';
            }
            text.push_str(if separator == '{' { " " } else { "} " });
            let _ = writeln!(text, "{}", sample.value);
        }
    }
    text
}

fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}
