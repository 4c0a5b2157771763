//! One platform alone: its API, the phone page and the simulator's own API on one port, for a bot of any kind.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
};

use anyhow::{Context as _, bail, ensure};
use simulator::{
    Infobip, Meta, Platform, Telegram, infobip,
    meta::{self, Handshake},
    page::{Page, Phone, Someone, phone_router},
    telegram,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    fakes::{fresh_bot_token, fresh_secret, url_of},
    options::{PlatformName, SimulateOptions},
};

const SENDER: &str = "385995550100";
const META_NUMBER_ID: &str = "106540352242922";
const BOT_NAME: &str = "simulated_bot";

/// A platform, and what a business has to know of it: names and values, printed once.
struct Prepared {
    platform: Platform,
    told: Vec<(&'static str, String)>,
}

/// Serves until `shutdown`; prints addresses and secrets to stdout, a `name=value` each.
///
/// # Errors
/// An option that does not fit, a busy port.
pub(super) async fn run(
    name: PlatformName,
    options: &SimulateOptions,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listen = options.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let base = url_of(listener.local_addr()?)?;
    let Prepared { platform, told } = prepare(name, options, &base)?;
    let page = phone_router(Page {
        phones: vec![Phone { people: Someone::demo(&platform), platform: platform.clone(), inside: None }],
        title: "Your bot".to_owned(),
        suggestions: Vec::new(),
        stop: shutdown.clone(),
    });
    print(&base, &told)?;
    if let (Platform::Meta(meta), Some(webhook)) = (&platform, &options.webhook) {
        tokio::spawn(shake_hands(meta.clone(), webhook.clone()));
    }
    platform.serve_with(page, listener, shutdown).await;
    Ok(())
}

fn print(base: &Url, told: &[(&'static str, String)]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let origin = base.as_str().trim_end_matches('/');
    writeln!(out, "api={origin}\nphone={origin}/phone\nfaults={origin}/simulator/faults")?;
    for (name, value) in told {
        writeln!(out, "{name}={value}")?;
    }
    out.flush()?;
    Ok(())
}

/// What Meta does when a webhook is set; a bot that starts later is told of by its own log.
async fn shake_hands(meta: Meta, webhook: Url) {
    match meta.verify().await {
        Handshake::Accepted => tracing::info!(%webhook, "the handshake was accepted"),
        other => {
            tracing::warn!(%webhook, answer = ?other, "the handshake was not accepted; webhooks are posted all the same")
        }
    }
}

fn prepare(name: PlatformName, options: &SimulateOptions, base: &Url) -> anyhow::Result<Prepared> {
    if options.verify_token.is_some() && name != PlatformName::Meta {
        bail!("--verify-token is of --platform meta only");
    }
    if options.sender.is_some() && name == PlatformName::Telegram {
        bail!("--sender is of --platform infobip and meta only: a bot has a token");
    }
    for (flag, value) in
        [("--token", &options.token), ("--secret", &options.secret), ("--verify-token", &options.verify_token)]
    {
        let fits = |value: &String| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(value.as_ref().is_none_or(fits), "{flag} has to be printable ASCII without spaces");
    }
    let sender = options.sender.clone().unwrap_or_else(|| SENDER.to_owned());
    ensure!(
        (7..=15).contains(&sender.len()) && sender.bytes().all(|byte| byte.is_ascii_digit()),
        "--sender is 7 to 15 digits, without a plus"
    );
    if let Some(url) = &options.webhook {
        ensure!(matches!(url.scheme(), "http" | "https") && url.has_host(), "--webhook is an http or https URL");
    }
    let webhook = || {
        let needed = "--webhook is needed: the platform has no other way to tell what people write";
        options.webhook.clone().context(needed)
    };
    let secret = options.secret.clone().unwrap_or_else(fresh_secret);
    let token = options.token.clone();
    match name {
        PlatformName::Infobip => {
            let (webhook, token) = (webhook()?, token.unwrap_or_else(fresh_secret));
            let mut config = infobip::Config::new(&token, &sender);
            config.media_base = Some(base.clone());
            config.webhook = Some(infobip::Webhook::new(webhook.clone(), &secret));
            let told = vec![
                ("webhook", webhook.into()),
                ("api_key", token),
                ("sender", sender),
                ("signature_header", "X-Hub-Signature-256".to_owned()),
                ("secret", secret),
            ];
            Ok(Prepared { platform: Platform::Infobip(Infobip::new(config)?), told })
        }
        PlatformName::Meta => {
            let (webhook, token) = (webhook()?, token.unwrap_or_else(fresh_secret));
            let verify = options.verify_token.clone().unwrap_or_else(fresh_secret);
            let mut config = meta::Config::new(&token, META_NUMBER_ID, &sender);
            config.webhook = Some(meta::Webhook::new(webhook.clone(), &secret, &verify));
            let told = vec![
                ("webhook", webhook.into()),
                ("access_token", token),
                ("phone_number_id", META_NUMBER_ID.to_owned()),
                ("sender", sender),
                ("app_secret", secret),
                ("verify_token", verify),
            ];
            Ok(Prepared { platform: Platform::Meta(Meta::new(config)?), told })
        }
        PlatformName::Telegram => {
            let token = token.unwrap_or_else(fresh_bot_token);
            let id = token.split_once(':').filter(|(_, secret)| !secret.is_empty()).map(|(id, _)| id);
            let is_token = id.is_some_and(|id| id.parse::<i64>().is_ok_and(|id| id > 0));
            ensure!(is_token, "--token of a bot is its id in digits, a colon and a secret");
            let is_secret = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            ensure!(
                secret.len() <= 256 && secret.bytes().all(is_secret),
                "--secret of Telegram is 1 to 256 of A-Z, a-z, 0-9, _ and -"
            );
            let fake = Telegram::new(telegram::Config::local(&token, BOT_NAME))?;
            let mut told = vec![("token", token)];
            match &options.webhook {
                Some(webhook) => {
                    fake.set_webhook(telegram::Webhook::new(webhook.clone(), &secret));
                    told.extend([("webhook", webhook.to_string()), ("secret_token", secret)]);
                }
                None => ensure!(options.secret.is_none(), "--secret goes with --webhook: polls are not signed"),
            }
            Ok(Prepared { platform: Platform::Telegram(fake), told })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::options::{Cli, Command};

    fn options(line: &str) -> SimulateOptions {
        let line = ["dragoman", "simulate"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(line).expect("a command line").command {
            Some(Command::Simulate(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    fn prepared(line: &str) -> Result<Vec<(&'static str, String)>, String> {
        let options = options(line);
        let base = Url::parse("http://127.0.0.1:1").expect("a URL");
        let prepared = prepare(options.platform.expect("a platform"), &options, &base);
        prepared.map(|prepared| prepared.told).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_is_given_is_told_and_what_is_not_is_fresh() {
        let hook = "--webhook http://localhost:3000/hook";
        let told =
            prepared(&format!("--platform meta {hook} --token t --secret s --verify-token v --sender 3859912345"));
        let told = told.expect("lawful");
        for pair in [("access_token", "t"), ("app_secret", "s"), ("verify_token", "v"), ("sender", "3859912345")] {
            assert!(told.contains(&(pair.0, pair.1.to_owned())), "{told:?}");
        }
        let secret = |told: Vec<(&'static str, String)>| told.into_iter().find(|(name, _)| *name == "secret");
        let (one, other) =
            (prepared(&format!("--platform infobip {hook}")), prepared(&format!("--platform infobip {hook}")));
        let (one, other) = (secret(one.expect("lawful")), secret(other.expect("lawful")));
        assert!(one.is_some() && one != other);
        let told = prepared("--platform telegram").expect("lawful");
        assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["token"], "it is polled");
    }

    #[tokio::test]
    async fn options_that_do_not_fit_are_named() {
        let hook = "--webhook http://localhost:3000/hook";
        for (line, words) in [
            ("--platform meta", "--webhook is needed"),
            ("--platform infobip", "--webhook is needed"),
            ("--platform infobip --webhook ftp://x/y", "--webhook is an http"),
            ("--platform telegram --token abc", "--token of a bot"),
            ("--platform telegram --secret abc", "--secret goes with --webhook"),
            (&format!("--platform telegram {hook} --secret a/b"), "--secret of Telegram"),
            ("--platform telegram --sender 385991234567", "--sender is of"),
            (&format!("--platform infobip {hook} --verify-token x"), "--verify-token is of"),
            (&format!("--platform infobip {hook} --sender +385"), "--sender is 7 to 15 digits"),
            (&format!("--platform infobip {hook} --token é"), "--token has to be"),
        ] {
            let error = prepared(line).expect_err(line);
            assert!(error.contains(words), "{line}: {error}");
        }
        for line in ["--webhook http://x/y", "--platform meta --gateway http://x/y", "--platform viber"] {
            let line = ["dragoman", "simulate"].into_iter().chain(line.split_whitespace());
            assert!(Cli::try_parse_from(line).is_err());
        }
    }
}
