//! An HTTP reverse proxy with a breaker for each instance.
//!
//! Shows the layer, the agent, groups, failing over, the registry, the console and configuration
//! files together in one program.
//!
//! Run it with `cargo run --example gateway`. It demonstrates itself for 40 seconds: instances in
//! this process fail, hang and die under load. With `-- --keep` it does so until it is stopped.
//! With `-- gateway.toml` it serves what the file says until it is stopped;
//! `examples/gateway/gateway.toml` is one to start from. With `-- --check gateway.toml` it says
//! what is wrong with a file.

mod answers;
mod args;
mod classifier;
mod config;
mod console;
mod demo;
mod headers;
mod instance;
mod next_instance;
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
    tokio::spawn(print_events(builder.registry.subscribe()));
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

async fn print_events(mut events: tower_breaker::observe::Events) {
    while let Some(event) = futures::StreamExt::next(&mut events).await {
        eprintln!("{event}");
    }
}

/// Waits until the process is told to stop.
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
