//! Reloads the configuration file when it changes.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{fs, time::sleep};

use crate::{config::Config, proxy::Proxy, table::Builder};

/// The time between two reads of the file.
const INTERVAL: Duration = Duration::from_millis(500);

/// Reads the file again and again, and applies its changes. A file with mistakes changes nothing.
pub(crate) async fn watch(file: &Path, mut text: String, builder: &Builder, proxy: &Arc<Proxy>) {
    loop {
        sleep(INTERVAL).await;
        // A file that is being replaced may be missing for a moment.
        let Ok(now) = fs::read_to_string(file).await else {
            continue;
        };
        if now == text {
            continue;
        }
        // A file that is being written may be incomplete.
        sleep(INTERVAL / 10).await;
        if fs::read_to_string(file).await.ok().as_ref() != Some(&now) {
            continue;
        }
        text = now;
        match apply(&text, builder, proxy) {
            Ok(()) => eprintln!("gateway: {} has changed and is applied", file.display()),
            Err(mistakes) => eprintln!(
                "gateway: {} has changed but has mistakes; the previous configuration stays:\n{}",
                file.display(),
                mistakes.in_file(file)
            ),
        }
    }
}

/// Applies a configuration, or changes nothing if it has mistakes.
pub(crate) fn apply(text: &str, builder: &Builder, proxy: &Proxy) -> Result<(), crate::config::Mistakes> {
    let before = proxy.table();
    let mut config = Config::parse(text)?;
    if (config.listen, &config.console) != (before.config.listen, &before.config.console) {
        eprintln!("gateway: a change of a listening address takes effect after a restart");
        config.listen = before.config.listen;
        config.console.clone_from(&before.config.console);
    }
    match builder.build(config, Some(&before)) {
        Ok(table) => {
            proxy.set_table(table);
            Ok(())
        }
        Err(error) => Err(crate::config::Mistakes::without_place(&error.to_string())),
    }
}
