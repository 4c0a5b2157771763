//! What the bot's user of PostgreSQL may do: the whole matrix, from the tables that are really there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::ReceiptStatus;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use store::{
    AuditRow, DeadLetterNew, FileNew, ModelUse, Outcome, ReportNew, Role, Seen, Step, Store, UnknownPolicy,
    UserMapping, Why,
    ai_services::AiService,
    audit::Actor,
    catalogue::CatalogDocument,
    roles::{self, INSERT_ONLY_TABLES, READ_ONLY_TABLES, WORK_TABLES},
};
use uuid::Uuid;

use crate::support::{account, answer, config, receipt, tenant, text};

struct Users {
    server: testkit::Postgres,
    admin_url: String,
    bot_url: String,
    bot: String,
}

/// A database with its two users, made from a superuser's URL, and the schema, made by its owner.
async fn users() -> Users {
    let server = testkit::Postgres::shared().await.expect("a PostgreSQL server");
    let suffix = Uuid::new_v4().simple().to_string();
    let (admin, bot, database) = (format!("admin_{suffix}"), format!("bot_{suffix}"), format!("db_{suffix}"));
    let url = |user: &str| {
        let mut url = url::Url::parse(&server.url_of(&database)).expect("a URL");
        url.set_username(user).expect("a user");
        url.set_password(Some("p@ss'w\\ord")).expect("a password");
        url.to_string()
    };
    let (admin_url, bot_url) = (url(&admin), url(&bot));
    for _ in 0..2 {
        roles::create(server.url(), &admin_url, &bot_url).await.expect("users and database, also the second time");
    }
    let store = Store::connect(&config(&admin_url, Role::Admin)).await.expect("a connection");
    store.migrate_up().await.expect("the schema");
    assert!(store.grant_rights(&bot).await.expect("rights"));
    assert!(!store.grant_rights("nobody_of_this_name").await.expect("no error"));
    Users { server, admin_url, bot_url, bot }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bots_user_has_exactly_its_rights() {
    let users = users().await;
    let mut bot = PgConnection::connect(&users.bot_url).await.expect("a connection");
    let tables: Vec<String> = sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
        .fetch_all(&mut bot)
        .await
        .expect("tables");
    let named: BTreeSet<&str> =
        [WORK_TABLES, INSERT_ONLY_TABLES, READ_ONLY_TABLES, &["audit_logs"]].concat().into_iter().collect();
    assert_eq!(tables.iter().map(String::as_str).collect::<BTreeSet<_>>(), named, "each table has its place");
    for table in &tables {
        for right in ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
            let has: bool = sqlx::query_scalar("select has_table_privilege($1, $2, $3)")
                .bind(&users.bot)
                .bind(table)
                .bind(right)
                .fetch_one(&mut bot)
                .await
                .expect("an answer");
            let name = table.as_str();
            let should = match right {
                "SELECT" => WORK_TABLES.contains(&name) || READ_ONLY_TABLES.contains(&name),
                "INSERT" => WORK_TABLES.contains(&name) || INSERT_ONLY_TABLES.contains(&name),
                "UPDATE" => WORK_TABLES.contains(&name),
                _ => false,
            };
            assert_eq!(has, should, "{right} on {table}");
        }
    }
    let forbidden = [
        "create table t (x int)",
        "create schema s",
        "create temporary table t (x int)",
        "alter table inbox add column x int",
        "drop table inbox",
        "truncate messages",
        "delete from messages",
        "delete from dead_letters",
        "select * from audit_logs",
        "insert into audit_logs select * from audit_logs",
        "select * from ai_audit_log",
        "update ai_audit_log set message = ''",
        "select * from hallucination_reports",
        "update api_keys set tenant = 'x'",
        "insert into schema_migrations values (9, 'x', 'x', 0)",
        "create role r",
        "create database d",
        "grant select on audit_logs to public",
    ];
    for statement in forbidden {
        assert!(bot.execute(AssertSqlSafe(statement)).await.is_err(), "{statement}");
    }
    drop(users.server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_work_can_be_done_with_the_bots_rights() {
    let users = users().await;
    let store = Store::connect(&config(&users.bot_url, Role::Worker)).await.expect("a connection");
    let acme = tenant("acme");
    assert!(store.schema_ready().await.expect("an answer"));
    let accepted = store.accept(&[text("acme", "p", "m1"), text("acme", "p", "m1")]).await.expect("accepted");
    let lease = store.claim(accepted[0].conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease");
    store.renew(&[(lease.conversation, lease.epoch)], lease.owner).await.expect("renewed");
    store.begin_attempt(&lease, 1, None).await.expect("counted");
    store.journal(&lease, 1, &[Step::range(1)]).await.expect("journaled");
    store.rewrite_range(&lease, 1, &Step::range(1)).await.expect("rewritten");
    store.finish_step(&lease, 1, 0, &json!(1)).await.expect("finished");
    store.reset_attempts(&lease, 1).await.expect("reset");
    let person = store.inbox_range(&lease, 1, 1).await.expect("rows")[0].person;
    let report = ReportNew {
        person,
        question: String::new(),
        answer: String::new(),
        retrieved: json!({}),
        category: Some("other".to_owned()),
    };
    store.file_report(&lease, 1, &report).await.expect("filed");
    assert_eq!(store.identity(&acme, person, "d").await.expect("an answer"), None);
    let mut commit = answer(1, 1, 1);
    commit.audit = Some(AuditRow {
        user_id: String::new(),
        chat_id: String::new(),
        message: String::new(),
        agent: String::new(),
        tools_used: json!([]),
        models: vec![ModelUse { model: "m".to_owned(), tokens: 7, took: Duration::from_millis(30), error: None }],
    });
    commit.dead_letter = Some(DeadLetterNew { reason: String::new(), attempts: 1, unknown_effect: false });
    let ids = store.commit(&lease, &commit).await.expect("a commit").ids;
    store.begin_send(&lease, ids[0]).await.expect("an answer").expect("an attempt");
    store.record_outcome(lease.conversation, ids[0], 1, &Outcome::Unknown).await.expect("recorded");
    let row = store.snapshot(&lease).await.expect("a snapshot").first_unsent.expect("a row");
    store.resolve_unknown(&lease, &row, UnknownPolicy::Resend).await.expect("an answer");
    assert_eq!(store.asked(&lease, 1).await.expect("an answer").sent_at, None);
    store.record_receipts(&acme, &[receipt(Some(ids[0]), "p1", ReceiptStatus::Read)]).await.expect("recorded");
    assert!(store.release_idle(&lease).await.expect("an answer"));
    store.sweep(&store::SweepInput { recreated: true, limit: 9, ..Default::default() }).await.expect("swept");
    store.store_unreadable(&acme, &account(), b"x", &Why::Unread("r".to_owned())).await.expect("kept");
    assert_eq!(store.messages(&acme, lease.conversation, None, 9, None).await.expect("messages").len(), 2);
    assert_eq!(store.find_api_key("x").await.expect("an answer"), None);
    let document = CatalogDocument {
        id: "d".to_owned(),
        title: String::new(),
        version: String::new(),
        source: String::new(),
        backend_url: None,
        content: vec![],
        content_hash: String::new(),
    };
    store.upsert_document(&acme, &document).await.expect("kept");
    store.learn(&acme, "d/GET /x", "hint", "s", "n").await.expect("learned");
    let mapping = UserMapping {
        backend_user: String::new(),
        values: json!({}),
        label: None,
        source: String::new(),
        expires_at: domain::Micros(1),
    };
    let admin = Store::connect(&config(&users.admin_url, Role::Admin)).await.expect("a connection");
    let rows = store.list_dead_letters(&acme, None, 9).await.expect("letters");
    admin.replay_dead_letter(&acme, rows[0].id, false, "ops", None).await.expect("replayed");
    let lease = store.claim(lease.conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease");
    store.save_mapping(&acme, person, "d", &mapping).await.expect("saved");
    let seen = store.snapshot(&lease).await.expect("a snapshot");
    let as_seen = Seen { next_seq: seen.next_seq, wake_at: seen.wake_at };
    assert!(store.park(&lease, domain::Micros(1), as_seen).await.expect("an answer"));
    let content = store::FileContent::Here(b"x");
    let file = FileNew { person, media_type: "image/png", name: None, content, keep: Duration::ZERO };
    let lease = store.claim(lease.conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease");
    let store::FilePut::Kept(sha256) = store.put_file(&lease, &file).await.expect("kept") else { panic!("room") };
    assert!(store.find_file(&lease, &sha256).await.expect("an answer").is_some());
    assert_eq!(store.expire_files(9).await.expect("expired"), 1);
    for sha256 in ["aa", "aa", "bb"] {
        assert!(store.begin_file(&lease, sha256, 1).await.expect("begun"));
    }
    let outside = store::FileContent::Stored { sha256: "aa", size_bytes: 1 };
    let kept = store.put_file(&lease, &FileNew { content: outside, ..file }).await.expect("kept");
    assert_eq!(kept, store::FilePut::Kept("aa".to_owned()));
    assert_eq!(store.expire_files(9).await.expect("expired"), 1);
    let unused = store.claim_unused_file(Duration::ZERO, Duration::from_secs(9)).await.expect("an answer");
    store.removed_file(&unused.expect("a file")).await.expect("removed");
    let upload = store::UploadNew {
        account: &account(),
        owner: "s-1",
        media_type: "image/png",
        name: None,
        content: store::FileContent::Here(b"x"),
        keep: Duration::from_secs(9),
    };
    let quota = store::UploadQuota { files_max: 2, bytes_max: 9, account_bytes_max: 9 };
    let put = store.put_upload(&acme, &upload, quota).await.expect("kept");
    let store::UploadPut::Kept(id) = put else { panic!("room") };
    let outside = store::UploadNew { content: store::FileContent::Stored { sha256: "cc", size_bytes: 1 }, ..upload };
    let put = store.put_upload(&acme, &outside, quota).await.expect("kept");
    let store::UploadPut::Kept(lost) = put else { panic!("room") };
    assert_eq!(store.put_upload(&acme, &upload, quota).await.expect("an answer"), store::UploadPut::Full);
    store.drop_upload(&acme, lost).await.expect("dropped");
    let named = store.name_uploads(&acme, &account(), "s-1", &[id], Duration::ZERO).await.expect("an answer");
    assert_eq!(named.len(), 1);
    let place = store::Cursor { seq: 1, part: 0 };
    for rating in [store::Rating::Up, store::Rating::Down] {
        assert!(store.give_feedback(&acme, lease.conversation, place, rating, None).await.expect("kept"));
    }
    assert_eq!(store.feedback(&acme, lease.conversation, 1, 1).await.expect("a map").len(), 1);
    let told = AiService { service: "w".to_owned(), start_values: BTreeMap::new(), model: None };
    store.tell_ai_service(&told).await.expect("told");
    store.tell_ai_service(&told).await.expect("told again");
    assert_eq!(store.ai_services().await.expect("a list").len(), 1);
    admin.set_switch(&acme, "AI_ENABLED", "false", &Actor::from("ops")).await.expect("set");
    assert_eq!(store.switched().await.expect("a list").len(), 1);
    store.set_switch(&acme, "AI_ENABLED", "true", &Actor::from("bot")).await.expect_err("operators only");
    drop(users.server);
}
