//! Starts everything in one process, in the order in which one part needs another.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use coordination::Coordination;
use domain::{Account, SystemClock, Tenant};
use secrecy::ExposeSecret as _;
use service_kit::{
    Gate, Readiness, net, ops,
    tenants::{AccountConfig, DocumentConfig, Tenants, WebConfig},
};
use simulator::{
    Platform,
    fleet::{self, Fleet},
    infobip::Infobip,
    page::{Page, Phone, Someone, phone_router},
};
use store::{Role, Store, StoreConfig};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    Config, Console, SERVICE, compose, config::main_tenant, console, credential, fakes, inside::Journals,
    options::RunOptions, private_hosts, session_key,
};

/// Pause between two looks at the parts' readiness.
const READINESS_POLL: std::time::Duration = std::time::Duration::from_millis(20);

/// Everything, started.
pub struct Running {
    /// The public listener.
    pub address: SocketAddr,
    /// embedding-service.
    pub embedding: SocketAddr,
    /// ConversationService.
    pub conversation: SocketAddr,
    /// AdminService.
    pub admin: SocketAddr,
    /// The operator's console, while there is one.
    pub console: Option<Console>,
    /// True when the phone page is served.
    pub phone: bool,
    /// The simulated platform, while there is one.
    pub infobip: Option<Infobip>,
    /// The demo fleet, while there is one.
    pub fleet: Option<Fleet>,
    tasks: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
    fakes: CancellationToken,
    /// Ends the operations listener.
    stopped: CancellationToken,
}

impl Running {
    /// Waits until a signal stops everything, or a part fails and takes the others with it.
    ///
    /// # Errors
    /// The first failure.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.context("a part of the process failed").flatten();
            if ended.is_err() && outcome.is_ok() {
                outcome = ended;
            }
            // One part without the others is of no use.
            self.shutdown.cancel();
        }
        // The other sides go last, so that the last answers arrive; probes are answered to the end.
        self.fakes.cancel();
        self.stopped.cancel();
        outcome
    }
}

/// Starts everything; it runs until `shutdown`.
///
/// # Errors
/// What keeps it from starting, in words that say what to do.
pub async fn start(config: Config, options: &RunOptions, shutdown: CancellationToken) -> anyhow::Result<Running> {
    let http = net::bind(SERVICE, "http.listen", config.http.listen).await?;
    let process_ops = net::bind(SERVICE, "ops.listen", config.ops.listen).await?;
    let console_http = match config.console.listen {
        Some(address) => Some(net::bind(SERVICE, "console.listen", address).await?),
        None => None,
    };
    let address = http.local_addr()?;
    let [embedding, conversation, admin] = grpc_listeners(options.grpc).await?;
    let fakes = CancellationToken::new();

    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make the folder {}; --data names another", options.data.display()))?;
    let connecting = ops::while_connecting(SERVICE, process_ops, connect(&config), &shutdown).await?;
    let (store, process_ops) = connecting.context("stopped while waiting for the database")?;
    let coordination = Coordination::connect(&config.coordination).context("cannot use Redis")?;
    if let Err(error) = coordination.ensure_group().await {
        tracing::warn!(%error, "Redis is away; turns go on by polling");
    }

    let mut tenants = config.tenants.clone();
    let others = others(&mut tenants, options, address, &fakes).await?;
    session_key::fill(&mut tenants, &options.data)?;
    let mut services = compose::services(&config, &tenants, &options.data, embedding.local_addr()?)?;
    let console = match &console_http {
        Some(http) => {
            Some(Console { address: http.local_addr()?, token: console::let_in(&mut services.admin, &options.data)? })
        }
        None => None,
    };
    let clock: Arc<dyn domain::Clock> = Arc::new(SystemClock);

    let embedding_parts = embedding_service::Parts { store: store.clone(), clock: clock.clone() };
    let embedding_app = embedding_service::App::new(services.embedding, embedding_parts)?;
    let worker_parts = conversation_worker::Parts { store: store.clone(), coordination: coordination.clone() };
    let worker_app = conversation_worker::App::new(services.worker, worker_parts)?;
    let admin_parts = admin_service::Parts { store: store.clone(), coordination: coordination.clone() };
    let admin_app = admin_service::App::new(services.admin, admin_parts);
    let gateway_parts = ingress_gateway::Parts { store: store.clone(), coordination, clock };
    let mut gateway_app =
        ingress_gateway::App::new(services.gateway, gateway_parts).context("cannot use the configured accounts")?;
    let phone = others.demo.is_some();
    if let Some(demo) = &others.demo {
        gateway_app = gateway_app.with_routes(phone_router(demo.page(&store, shutdown.clone())));
    }

    let mut running = Running {
        address,
        embedding: embedding.local_addr()?,
        conversation: conversation.local_addr()?,
        admin: admin.local_addr()?,
        console,
        phone,
        infobip: others.demo.map(|demo| demo.infobip),
        fleet: others.fleet,
        tasks: JoinSet::new(),
        shutdown: shutdown.clone(),
        fakes,
        stopped: CancellationToken::new(),
    };
    let (embedding_at, conversation_at, admin_at) = (running.embedding, running.conversation, running.admin);
    tracing::info!(embedding = %embedding_at, conversation = %conversation_at, admin = %admin_at, "gRPC");
    let parts = [
        embedding_app.readiness().clone(),
        worker_app.readiness().clone(),
        admin_app.readiness().clone(),
        gateway_app.readiness().clone(),
    ];
    let readiness = Readiness::new(SERVICE);
    let embedding_ready = parts[0].clone();
    // Registered before the first probe can come: a readiness without gates is ready.
    let names = ["embedding-service", "conversation-worker", "admin-service", "ingress-gateway"];
    let gated = names.map(|name| readiness.register(name)).into_iter().zip(parts).collect();
    tokio::spawn(ops::serve(process_ops, readiness.clone(), running.stopped.clone()));
    running.tasks.spawn(watch(readiness, gated, shutdown.clone()));
    let ops = [free().await?, free().await?, free().await?, free().await?];
    let [embedding_ops, worker_ops, admin_ops, gateway_ops] = ops;
    running.tasks.spawn(embedding_app.serve(embedding, embedding_ops, shutdown.clone()));
    until_ready(&embedding_ready, &mut running).await?;
    running.tasks.spawn(worker_app.serve(conversation, worker_ops, shutdown.clone()));
    let admin_listeners = admin_service::Listeners { http: console_http, grpc: admin, ops: admin_ops };
    running.tasks.spawn(admin_app.serve(admin_listeners, shutdown.clone()));
    running.tasks.spawn(gateway_app.serve(http, gateway_ops, shutdown));
    Ok(running)
}

/// The documents are imported before the first message is taken; a failure of that ends the start.
async fn until_ready(readiness: &Readiness, running: &mut Running) -> anyhow::Result<()> {
    let ready = async {
        while !readiness.is_ready() {
            tokio::time::sleep(READINESS_POLL).await;
        }
    };
    tokio::select! {
        biased;
        () = ready => Ok(()),
        () = running.shutdown.cancelled() => Ok(()),
        ended = running.tasks.join_next() => match ended {
            Some(ended) => ended.context("a part of the process failed").flatten().and_then(|()| bail!("a part of the process ended")),
            None => Ok(()),
        },
    }
}

pub(crate) async fn connect(config: &Config) -> anyhow::Result<Store> {
    let store = Store::connect(&StoreConfig {
        url: config.database.url.expose_secret().to_owned(),
        max_connections: config.database.max_connections,
        connect_wait: config.database.connect_wait,
        role: Role::Admin,
    })
    .await?;
    store.migrate_up().await.context("cannot bring the database's schema up to date")?;
    Ok(store)
}

async fn free() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?)
}

async fn grpc_listeners(usual_ports: bool) -> anyhow::Result<[TcpListener; 3]> {
    if !usual_ports {
        return Ok([free().await?, free().await?, free().await?]);
    }
    let at = |port: u16| async move {
        TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("port {port} is taken; without --grpc a free one is used"))
    };
    Ok([at(50051).await?, at(50052).await?, at(50053).await?])
}

/// The simulated other sides that were started.
#[derive(Default)]
struct Others {
    demo: Option<Demo>,
    fleet: Option<Fleet>,
}

/// The simulated platforms, each with the account that the product has there.
struct Demo {
    infobip: Infobip,
    platforms: Vec<(Platform, Account)>,
    tenant: Tenant,
    title: String,
    suggestions: Vec<String>,
}

impl Demo {
    /// The phone page over all of them.
    fn page(&self, store: &Store, stop: CancellationToken) -> Page {
        let phone = |(platform, account): &(Platform, Account)| Phone {
            people: Someone::demo(platform),
            platform: platform.clone(),
            inside: Some(Arc::new(Journals {
                store: store.clone(),
                tenant: self.tenant.clone(),
                account: account.clone(),
            })),
        };
        Page {
            phones: self.platforms.iter().map(phone).collect(),
            title: self.title.clone(),
            suggestions: self.suggestions.clone(),
            stop,
        }
    }
}

/// Completes the tenants: simulated accounts where no real platform is configured, the document of the command line,
/// the demo fleet where there is no document.
async fn others(
    tenants: &mut Tenants,
    options: &RunOptions,
    gateway: SocketAddr,
    fakes: &CancellationToken,
) -> anyhow::Result<Others> {
    let mut others = Others::default();
    let accounts = || tenants.0.values().flat_map(|tenant| tenant.accounts.values());
    let simulated = accounts().all(AccountConfig::is_simulated);
    let demo = options.document.is_none() && tenants.0.values().all(|tenant| tenant.documents.is_empty());
    let platform_is_configured = accounts().any(|account| !matches!(account, AccountConfig::Web(_)));
    let tenant = main_tenant(tenants)?;
    let settings = tenants.0.entry(tenant.clone()).or_default();
    if let Some(source) = &options.document {
        settings.documents.insert(options.name.clone(), document(source, options).await?);
    }
    if let Some(zone) = &options.time_zone {
        settings.time_zone.clone_from(zone);
    }
    if demo && !simulated {
        bail!(
            "no document is configured: give --document <file or URL>, or [tenants.{tenant}.documents.<name>] in a file"
        );
    }
    if demo {
        let fleet = fakes::demo_fleet(free().await?, free().await?, &options.data.join("demo"), fakes.clone())?;
        if options.time_zone.is_none() {
            fakes::FLEET_ZONE.clone_into(&mut settings.time_zone);
        }
        settings.documents.insert("fleet".to_owned(), fleet.document);
        others.fleet = Some(fleet.fleet);
    }
    if !platform_is_configured {
        // A gateway that listens everywhere is asked by its local name.
        let host = if gateway.ip().is_unspecified() { "localhost".to_owned() } else { gateway.ip().to_string() };
        let gateway = Url::parse(&format!("http://{host}:{}", gateway.port()))?;
        let infobip = fakes::platform(free().await?, gateway.join("webhook")?, fakes.clone())?;
        let (meta, meta_config) = fakes::meta(free().await?, gateway.join("webhook/meta/main")?, fakes.clone())?;
        let (telegram, telegram_config) = fakes::telegram(free().await?, fakes.clone())?;
        let platforms = [
            (Platform::Infobip(infobip.infobip.clone()), fakes::account(&infobip)),
            (Platform::Meta(meta), AccountConfig::Meta(meta_config)),
            (Platform::Telegram(telegram), AccountConfig::Telegram(telegram_config)),
        ];
        let mut demo = Demo {
            infobip: infobip.infobip,
            platforms: Vec::new(),
            tenant,
            title: if demo { "Fleet desk".to_owned() } else { options.name.clone() },
            suggestions: if demo { fleet::SENTENCES.map(str::to_owned).to_vec() } else { Vec::new() },
        };
        for (platform, config) in platforms {
            let account = Account::new(platform.name(), "main")?;
            settings.accounts.insert(account.clone(), config);
            demo.platforms.push((platform, account));
        }
        settings
            .accounts
            .entry(Account::new("web", "main")?)
            .or_insert(AccountConfig::Web(WebConfig { debug: true, ..WebConfig::default() }));
        others.demo = Some(demo);
    }
    Ok(others)
}

/// The document of the command line: read once here, so that what is wrong with it is said at once.
pub(crate) async fn document(source: &str, options: &RunOptions) -> anyhow::Result<DocumentConfig> {
    let content = openapi::fetch(source).await.with_context(|| format!("cannot read the document {source}"))?;
    let import = openapi::ImportOptions { backend_url: options.backend.clone(), ..Default::default() };
    let document =
        openapi::import(&options.name, &content, &import).with_context(|| format!("{source} cannot be used"))?;
    if document.operations.is_empty() {
        bail!("{source} has no operations");
    }
    if !options.allow_private_hosts {
        for host in private_hosts::of(&document, source).await {
            tracing::warn!("{host} is a private host: calls to it are refused; start with --allow-private-hosts");
        }
    }
    let credentials = credential::credentials(&document, &options.credentials, |name| std::env::var(name).ok())?;
    let overlay = options.overlay.clone();
    if let Some(path) = overlay.as_deref().filter(|path| !Path::exists(path)) {
        bail!("there is no overlay {}", path.display());
    }
    Ok(DocumentConfig {
        source: source.to_owned(),
        backend_url: options.backend.clone(),
        overlay,
        credentials,
        tenant_header: None,
        identity: None,
        allow_private_hosts: options.allow_private_hosts,
        timeout: std::time::Duration::from_secs(10),
        languages: Vec::new(),
        suggestions: Vec::new(),
    })
}

/// The process is ready when all its parts are; it drains with them.
async fn watch(readiness: Readiness, parts: Vec<(Gate, Readiness)>, shutdown: CancellationToken) -> anyhow::Result<()> {
    while !shutdown.is_cancelled() {
        for (gate, part) in &parts {
            gate.set(part.is_ready());
        }
        tokio::select! {
            () = tokio::time::sleep(READINESS_POLL) => {}
            () = shutdown.cancelled() => {}
        }
    }
    readiness.drain();
    Ok(())
}
