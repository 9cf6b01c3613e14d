//! An HTTP reverse proxy with a breaker for each instance: what the layer, the agent, groups and the registry are for, as one program.
//!
//! `cargo run --example gateway` demonstrates it: instances in this process that fail, hang and die, load, and what comes of it, in half a minute.
//! `cargo run --example gateway -- gateway.toml` serves what the file says, until it is stopped; `examples/gateway/gateway.toml` is one to start
//! from. `--keep` goes on demonstrating until it is stopped; the console's address is printed.

mod answers;
mod args;
mod config;
mod console;
mod demo;
mod elsewhere;
mod headers;
mod instance;
mod judge;
mod proxy;
mod reload;
mod server;
mod table;
mod upstream;

use std::{path::Path, process::ExitCode, sync::Arc};

use tokio::net::TcpListener;
use tower::BoxError;

use crate::{
    args::{Args, USAGE},
    config::Config,
    proxy::Proxy,
    table::Builder,
};

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Args::Demonstrate { keep }) => demo::run(keep).await,
        Ok(Args::Serve(file)) => serve(&file).await,
        Ok(Args::Check(file)) => check(&file),
        Ok(Args::Help) => {
            println!("{USAGE}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn read(file: &Path) -> Result<(String, Config), BoxError> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match Config::parse(&text) {
        Ok(config) => Ok((text, config)),
        Err(mistakes) => Err(mistakes.in_file(file).into()),
    }
}

fn check(file: &Path) -> Result<(), BoxError> {
    let (_, config) = read(file)?;
    let instances: usize = config.services.values().map(|service| service.instances.len()).sum();
    println!(
        "{}: {} services, {instances} instances, {} routes",
        file.display(),
        config.services.len(),
        config.routes.len()
    );
    Ok(())
}

async fn serve(file: &Path) -> Result<(), BoxError> {
    let (text, config) = read(file)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("{}: listen: {}: {error}", file.display(), config.listen))?;
    eprintln!("gateway: listening at http://{}", listener.local_addr()?);
    let operate = config.console.as_ref().is_some_and(|console| console.operate);
    let builder = Builder::new(operate);
    let proxy = Arc::new(Proxy::new(builder.build(config, None)?));
    tokio::spawn(say_events(builder.registry.subscribe()));
    if let Some(console) = &proxy.table().config.console {
        let listener = TcpListener::bind(console.listen)
            .await
            .map_err(|error| format!("{}: console.listen: {}: {error}", file.display(), console.listen))?;
        eprintln!("gateway: the console is at http://{}/", listener.local_addr()?);
        tokio::spawn(console::serve(listener, builder.console.clone()));
    }
    tokio::select! {
        () = server::serve(listener, proxy.clone(), stopped()) => {}
        () = reload::watch(file, text, &builder, &proxy) => {}
    }
    eprintln!("gateway: stopped");
    Ok(())
}

async fn say_events(mut events: tower_breaker::observe::Events) {
    while let Some(event) = futures::StreamExt::next(&mut events).await {
        eprintln!("{event}");
    }
}

/// Done when the process is told to stop.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
