use std::ffi::OsString;

use crate::args::Args;

fn parse(args: &[&str]) -> Result<Args, String> {
    Args::parse(args.iter().map(OsString::from))
}

#[test]
fn each_form_is_understood() {
    assert_eq!(parse(&[]), Ok(Args::Demonstrate { keep: false }));
    assert_eq!(parse(&["--keep"]), Ok(Args::Demonstrate { keep: true }));
    assert_eq!(parse(&["a.toml"]), Ok(Args::Serve("a.toml".into())));
    assert_eq!(parse(&["--check", "a.toml"]), Ok(Args::Check("a.toml".into())));
    assert_eq!(parse(&["a.toml", "--check"]), Ok(Args::Check("a.toml".into())));
    assert_eq!(parse(&["--help", "whatever"]), Ok(Args::Help));
}

#[test]
fn mistakes_are_said() {
    let first_line = |args: &[&str]| parse(args).unwrap_err().lines().next().unwrap().to_owned();
    assert_eq!(first_line(&["--chekc", "a.toml"]), "--chekc is unknown");
    assert_eq!(first_line(&["a.toml", "b.toml"]), "one file is enough");
    assert_eq!(first_line(&["--check"]), "--check needs a file");
    assert_eq!(first_line(&["--keep", "a.toml"]), "--keep is for the demonstration");
}
