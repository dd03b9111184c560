//! The bot that `previewbot demo` plays with: the same composition as `serve`, with settings made on the spot.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::bot::Bot;
use super::commands::world;
use crate::demo::{BotHandle, DemoOptions, DemoSettings};
use crate::settings::Settings;

/// Plays the demo's story.
pub(super) async fn run(once: bool) -> anyhow::Result<()> {
    let world = world();
    let options = DemoOptions {
        once,
        listen: free_address()?,
        executable: std::env::current_exe().context("cannot tell where this program lies")?,
        clock: world.clock.clone(),
        random: world.random.clone(),
    };
    crate::demo::run(options, start).await
}

/// An address that is free now: the bot's links name it, so it must be known before the bot listens.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on this machine")?;
    Ok(listener.local_addr()?)
}

async fn start(demo: DemoSettings) -> anyhow::Result<BotHandle> {
    let bot = Bot::start(settings(&demo)?, world()).await?;
    let url = format!("http://{}", bot.address());
    Ok(BotHandle::new(&url, || async {
        bot.stop().await;
        Ok(())
    }))
}

/// Writes the settings as an operator would, files for secrets included, and reads them back.
fn settings(demo: &DemoSettings) -> anyhow::Result<Settings> {
    std::fs::create_dir_all(&demo.data_dir)?;
    let secrets = demo.data_dir.join("secrets");
    std::fs::create_dir_all(&secrets)?;
    let keep = |name: &str, value: &secrecy::SecretString| -> anyhow::Result<PathBuf> {
        let path = secrets.join(name);
        write_private(&path, value.expose_secret())?;
        Ok(path)
    };
    let key = keep("github-app.pem", &demo.private_key_pem)?;
    let webhook = keep("github-webhook-secret", &demo.webhook_secret)?;
    let mut project_secrets = serde_json::Map::new();
    for (name, value) in &demo.secrets {
        let path = keep(name, value)?;
        project_secrets.insert(name.clone(), format!("file:{}", path.display()).into());
    }
    let settings = serde_json::json!({
        "data_dir": demo.data_dir,
        "public_url": format!("http://{}", demo.listen),
        "server": { "listen": demo.listen },
        "database": { "url": format!("sqlite://{}", demo.data_dir.join("previewbot.db").display()) },
        "github": {
            "app_id": demo.app_id,
            "private_key_file": key,
            "webhook_secret_file": webhook,
            "api_url": demo.api_url,
            "git_url": demo.git_url,
        },
        "local": { "public_host": "127.0.0.1", "bind": "127.0.0.1" },
        "projects": [{
            "repository": format!("github:{}", demo.repository),
            "mode": "local",
            "secrets": project_secrets,
        }],
    });
    Ok(serde_json::from_value(settings)?)
}

fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}
