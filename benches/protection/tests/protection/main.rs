//! Tests of the benchmark: sound scenarios, a sound simulator, repeatable results.

mod command_line;
mod contestants;
mod readme;
mod repeatable;
mod replay;
mod scenario_files;
mod simulator;
