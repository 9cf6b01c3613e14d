use std::{path::Path, sync::Arc, time::Duration};

use tokio::{fs, time::sleep};

use crate::{config::Config, proxy::Proxy, table::Builder};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Watches the file, and applies what changes in it. What is no configuration leaves the one that runs alone.
pub(crate) async fn watch(file: &Path, mut text: String, builder: &Builder, proxy: &Arc<Proxy>) {
    loop {
        sleep(EVERY).await;
        // A file that is being replaced may not be there for a moment.
        let Ok(now) = fs::read_to_string(file).await else {
            continue;
        };
        if now == text {
            continue;
        }
        // One that is being written may not be whole.
        sleep(EVERY / 10).await;
        if fs::read_to_string(file).await.ok().as_ref() != Some(&now) {
            continue;
        }
        text = now;
        match apply(&text, builder, proxy) {
            Ok(()) => eprintln!("gateway: {} has changed, and is applied", file.display()),
            Err(mistakes) => eprintln!(
                "gateway: {} has changed, but the configuration before goes on:\n{}",
                file.display(),
                mistakes.in_file(file)
            ),
        }
    }
}

/// Applies a configuration, or leaves everything as it was.
pub(crate) fn apply(text: &str, builder: &Builder, proxy: &Proxy) -> Result<(), crate::config::Mistakes> {
    let before = proxy.table();
    let mut config = Config::parse(text)?;
    if (config.listen, &config.console) != (before.config.listen, &before.config.console) {
        eprintln!("gateway: where it listens, its console too, takes a restart to change");
        config.listen = before.config.listen;
        config.console.clone_from(&before.config.console);
    }
    match builder.build(config, Some(&before)) {
        Ok(table) => {
            proxy.set_table(table);
            Ok(())
        }
        Err(error) => Err(crate::config::Mistakes::of_the_whole(&error.to_string())),
    }
}
