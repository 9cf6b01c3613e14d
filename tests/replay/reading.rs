//! Traces as people bring them: each mistake names its line, its field, the value and what would be
//! accepted.

use std::{
    fmt::Write as _,
    io::{self, Cursor, Read},
    time::Duration,
};

use tower_breaker::{
    Config, Outcome,
    observe::Completion,
    replay::{Replay, Trace},
};

const HEADER: &str = "time,key,outcome,latency\n";

fn csv(rows: &str) -> Result<Trace, String> {
    Trace::read_csv(format!("{HEADER}{rows}").as_bytes()).map_err(|error| error.to_string())
}

fn json(lines: &str) -> Result<Trace, String> {
    Trace::read_json_lines(lines.as_bytes()).map_err(|error| error.to_string())
}

fn starts(trace: &Trace) -> Vec<u64> {
    trace.calls().iter().map(|call| call.start().as_nanos()).collect()
}

#[test]
fn columns_come_in_any_order_others_are_ignored_and_the_key_may_be_left_out() {
    let text = "Latency, status ,OUTCOME,time\n0.25,503,failure,1.5\n\n 0.001 ,200, success , 2 \n";
    let trace = Trace::read_csv(text.as_bytes()).unwrap();
    assert_eq!(starts(&trace), [1_500_000_000, 2_000_000_000]);
    assert_eq!(trace.calls()[0].completion(), Completion::Finished(Outcome::Failure));
    assert_eq!(trace.calls()[0].latency(), Duration::from_millis(250));
    assert_eq!(trace.key_of(&trace.calls()[1]), "");
}

#[test]
fn json_lines_take_numbers_or_strings_to_the_nanosecond() {
    let trace = json(
        r#"{"time":1764036850.000000001,"outcome":"success","latency":5e-05,"status":200}

           {"latency":"0.1","time":"1764036850.000000002","key":"a \"b\"","outcome":"cancelled"}"#,
    )
    .unwrap();
    assert_eq!(starts(&trace), [1_764_036_850_000_000_001, 1_764_036_850_000_000_002]);
    assert_eq!(trace.calls()[0].latency(), Duration::from_micros(50));
    assert_eq!(trace.key_of(&trace.calls()[1]), "a \"b\"");
}

#[test]
fn quoted_keys_and_windows_line_ends_are_read() {
    let trace = csv("1,\"a, \"\"b\"\"\",success,0.1\r\n2,b,refused,\r\n").unwrap();
    assert_eq!(trace.keys().collect::<Vec<_>>(), ["a, \"b\"", "b"]);
    assert_eq!(trace.calls()[1].completion(), Completion::Refused);
}

#[test]
fn rows_out_of_order_are_sorted_and_counted() {
    let trace = csv("3,,success,1\n1,,failure,3\n2,,success,0\n4,,success,0\n").unwrap();
    assert_eq!(starts(&trace), [1, 2, 3, 4].map(|second| second * 1_000_000_000));
    assert_eq!(trace.unsorted(), 2);
    assert_eq!(
        trace.to_string(),
        "4 calls in 3.0 s; 2 rows came after a later one, and were sorted"
    );
}

#[test]
fn calls_of_one_moment_stay_in_their_order() {
    let trace = csv("1,a,success,0\n1,b,failure,0\n1,c,ignored,0\n").unwrap();
    let keys: Vec<_> = trace.calls().iter().map(|call| trace.key_of(call)).collect();
    assert_eq!((keys, trace.unsorted()), (vec!["a", "b", "c"], 0));
}

#[test]
fn each_mistake_names_line_field_value_and_what_is_accepted() {
    const SECONDS: &str = "seconds from 0 to 18446744073, as a decimal number such as 12.25";
    const OUTCOMES: &str = "success, failure, ignored, cancelled or refused";
    for (row, expected) in [
        (
            "5,,success,-0.1",
            format!("line 3: `latency` is \"-0.1\"; accepted: {SECONDS}"),
        ),
        (
            "5,,success,NaN",
            format!("line 3: `latency` is \"NaN\"; accepted: {SECONDS}"),
        ),
        (
            "5,,success,inf",
            format!("line 3: `latency` is \"inf\"; accepted: {SECONDS}"),
        ),
        (
            "5,,success,",
            format!("line 3: `latency` is missing; accepted: {SECONDS}"),
        ),
        (
            "-5,,success,1",
            format!("line 3: `time` is \"-5\"; accepted: {SECONDS}"),
        ),
        (
            "nan,,success,1",
            format!("line 3: `time` is \"nan\"; accepted: {SECONDS}"),
        ),
        (",,success,1", format!("line 3: `time` is missing; accepted: {SECONDS}")),
        (
            "2026-11-25T01:02:03Z,,success,1",
            format!("line 3: `time` is \"2026-11-25T01:02:03Z\"; accepted: {SECONDS}"),
        ),
        (
            "1764036850123,,success,1",
            format!("line 3: `time` is \"1764036850123\"; accepted: {SECONDS}"),
        ),
        ("5,,ok,1", format!("line 3: `outcome` is \"ok\"; accepted: {OUTCOMES}")),
        ("5,,,1", format!("line 3: `outcome` is missing; accepted: {OUTCOMES}")),
        (
            "5,,refused,x",
            format!("line 3: `latency` is \"x\"; accepted: {SECONDS}"),
        ),
        (
            "18446744073,,success,1",
            "line 3: `latency` is \"1\"; accepted: an end before 18446744073 s".to_owned(),
        ),
        (
            "5,success,1",
            "line 3: 3 fields where the header has 4; accepted: a line with a field for each column of the header"
                .to_owned(),
        ),
        (
            "5,a,b,success,1",
            "line 3: 5 fields where the header has 4; accepted: a line with a field for each column of the header"
                .to_owned(),
        ),
    ] {
        let rows = format!("4,,success,0.5\n{row}\n6,,success,0.5\n");
        assert_eq!(csv(&rows).unwrap_err(), expected, "{row}");
    }
    let long = "x".repeat(100);
    let error = csv(&format!("5,,{long},1\n")).unwrap_err();
    assert!(error.contains(&format!("{}…", "x".repeat(40))), "{error}");
}

#[test]
fn what_a_recorder_adds_is_checked_as_well() {
    for (row, expected) in [
        ("5,success,1,6,,", "line 2: `waited` is \"6\"; accepted: at most `time`"),
        ("5,success,1,,x,", "line 2: `lasted` is \"x\"; accepted: seconds"),
        (
            "5,success,1,,,1",
            "line 2: `steps` is \"1\"; accepted: whole numbers from 1, never falling",
        ),
        (
            "5,success,1,1,,1-2",
            "line 2: `steps` is \"1-2\"; accepted: whole numbers",
        ),
        (
            "5,success,1,,,2-1",
            "line 2: `steps` is \"2-1\"; accepted: whole numbers",
        ),
        (
            "5,success,1,,,0-1",
            "line 2: `steps` is \"0-1\"; accepted: whole numbers",
        ),
        (
            "5,refused,,,,1-2",
            "line 2: `steps` is \"1-2\"; accepted: whole numbers",
        ),
        (
            "18446744072,success,1,,1,",
            "line 2: `latency` is \"1\"; accepted: an end before",
        ),
    ] {
        let text = format!("time,outcome,latency,waited,lasted,steps\n{row}\n");
        let error = Trace::read_csv(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let text = "time,outcome,latency,waited,lasted,steps\n5,success,1,5,1,1-2-3-4\n6,evaluated,,,,5\n6,unused,0,,,6-7\n6,failure,0,,,8-8\n";
    assert_eq!(Trace::read_csv(text.as_bytes()).unwrap().calls().len(), 3);
}

#[test]
fn json_mistakes_are_named_too() {
    let good = "{\"time\":1,\"outcome\":\"success\",\"latency\":0.5}\n";
    for (line, expected) in [
        (
            r#"{"time":-1,"outcome":"success","latency":0}"#,
            "line 2: `time` is \"-1\"; accepted: seconds",
        ),
        (
            r#"{"time":1,"outcome":"success","latency":null}"#,
            "line 2: `latency` is missing; accepted: seconds",
        ),
        (
            r#"{"time":1,"outcome":200,"latency":0}"#,
            "line 2: `outcome` is \"200\"; accepted: success,",
        ),
        (r#"{"time":1,"outcome":"success","latency":NaN}"#, "line 2: \"{\\\"time"),
        (r#"{"time":1,"time":2}"#, "line 2: \"{\\\"time"),
        ("1,a,success,0.5", "line 2: \"1,a,success,0.5\" is no such object"),
    ] {
        let error = json(&format!("{good}{line}\n{good}")).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(error.contains("accepted: "), "{error}");
    }
}

#[test]
fn a_header_that_lacks_a_column_or_names_one_twice_is_refused() {
    let of = |header: &str| Trace::read_csv(header.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        of("time,key,status,latency\n1,a,200,0.5\n"),
        "line 1: no column `outcome` in the header \"time,key,status,latency\"; accepted: a header that names time, outcome \
         and latency, and key where there is one, in any order"
    );
    assert!(of("1,a,success,0.5\n").starts_with("line 1: no column `time` in the header \"1,a,success,0.5\""));
    assert!(of("time,outcome,latency,Time\n").starts_with("line 1: the header names `time` twice"));
}

#[test]
fn an_empty_file_is_refused_and_a_header_alone_is_a_trace_of_no_calls() {
    let error = Trace::read_csv(io::empty()).unwrap_err().to_string();
    assert!(
        error.starts_with("line 1: the trace is empty; accepted: a header"),
        "{error}"
    );
    let error = json("").unwrap_err();
    assert!(
        error.starts_with("line 1: the trace is empty; accepted: an object"),
        "{error}"
    );
    for text in [HEADER, HEADER.trim_end()] {
        let trace = Trace::read_csv(text.as_bytes()).unwrap();
        assert!(trace.calls().is_empty());
        let report = Replay::new(Config::default()).run(&trace).unwrap();
        assert_eq!((report.calls(), report.trips.len()), (0, 0));
    }
}

#[test]
fn a_last_line_that_was_cut_short_is_left_out_and_said_so() {
    let whole = "1,a,success,0.5\n2,a,cancelled,0.25\n";
    for cut in ["3", "3,a", "3,a,succ", "3,a,success,", "3,\"a"] {
        let trace = csv(&format!("{whole}{cut}")).unwrap();
        assert_eq!((trace.calls().len(), trace.was_cut_short()), (2, true), "{cut}");
        assert!(trace.to_string().ends_with("the last line was cut short, and left out"));
        assert!(csv(&format!("{whole}{cut}\n")).is_err(), "{cut}: that line is whole");
    }
    let whole = "{\"time\":1,\"outcome\":\"success\",\"latency\":0.5}\n";
    let trace = json(&format!("{whole}{{\"time\":2,\"outc")).unwrap();
    assert_eq!((trace.calls().len(), trace.was_cut_short()), (1, true));
    // The last line break may be missing from what is whole.
    let trace = csv("1,a,success,0.5").unwrap();
    assert_eq!((trace.calls().len(), trace.was_cut_short()), (1, false));
    assert_eq!(json(whole.trim_end()).unwrap().calls().len(), 1);
}

#[test]
fn what_is_no_text_names_its_line() {
    let bytes = [
        HEADER.as_bytes(),
        b"1,a,success,0.5\n2,\xff,success,0.5\n3,a,success,0.5\n",
    ]
    .concat();
    let error = Trace::read_csv(&*bytes).unwrap_err();
    assert_eq!((error.line(), error.field_name()), (3, None));
    assert_eq!(error.to_string(), "line 3: the line is not UTF-8; accepted: UTF-8");
    let error = Trace::read_json_lines(&b"\xff\n{}\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "line 1: the line is not UTF-8; accepted: UTF-8");
}

#[test]
fn a_line_with_no_end_does_not_fill_the_memory() {
    let error = Trace::read_json_lines(io::repeat(b' ').take(1 << 40)).unwrap_err();
    assert_eq!(error.line(), 1);
    assert!(error.to_string().contains("longer than 65536 bytes"), "{error}");
}

#[test]
fn a_reader_that_fails_is_no_line_cut_short() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let text = format!("{HEADER}1,a,success,0.5\n2,a,succ");
    for error in [
        Trace::read_csv(Cursor::new(text).chain(Fails)).unwrap_err(),
        Trace::read_json_lines(Fails).unwrap_err(),
    ] {
        assert!(
            error.to_string().ends_with("the trace can't be read: the disk is gone"),
            "{error}"
        );
    }
}

/// A long trace, made up while it is read.
struct Long {
    rows: u64,
    text: Cursor<String>,
}

impl Read for Long {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.text.position() == self.text.get_ref().len() as u64 {
            let mut text = String::new();
            for row in 0..self.rows.min(1000) {
                let row = self.rows - row;
                writeln!(
                    text,
                    "{}.{:03},a,success,0.{:03}",
                    1_000 - row / 1000,
                    999 - row % 1000,
                    row % 100
                )
                .unwrap();
            }
            self.rows = self.rows.saturating_sub(1000);
            self.text = Cursor::new(text);
        }
        self.text.read(buffer)
    }
}

#[test]
fn a_million_rows_are_read_and_replayed() {
    let long = Long {
        rows: 1_000_000,
        text: Cursor::new(HEADER.to_owned()),
    };
    let trace = Trace::read_csv(long).unwrap();
    assert_eq!((trace.calls().len(), trace.unsorted()), (1_000_000, 0));
    let mut seen = 0;
    let report = Replay::new(Config::default()).run_with(&trace, |_| seen += 1).unwrap();
    assert_eq!((report.admitted.good, seen), (1_000_000, 1_000_000));
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    for break_ in ["\n", "\r\n"] {
        let text = [
            "time,key,outcome,latency",
            "1,a,success,0.5",
            "",
            "",
            "2,a,oops,0.5",
            "3,a,success,0.5",
            "",
        ]
        .join(break_);
        let error = Trace::read_csv(text.as_bytes()).unwrap_err();
        assert_eq!(error.line(), 5, "{break_:?}");
        let text = [
            "time,key,outcome,latency",
            "1,\"a",
            "b\",success,0.5",
            "2,a,oops,0.5",
            "",
        ]
        .join(break_);
        let error = Trace::read_csv(text.as_bytes()).unwrap_err();
        assert_eq!(error.line(), 4, "{break_:?}");
    }
}
