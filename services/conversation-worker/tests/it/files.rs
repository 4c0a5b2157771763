//! Files of people: fetched once from their platform, kept, and sent to a backend byte by byte.

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use domain::{Incoming, Tenant};
use file_store::{FileHash, FilesConfig};
use sha2::{Digest as _, Sha256};
use store::{FileContent, UploadNew, UploadPut, UploadQuota};

use crate::bench::{Bench, Engine, eventually, incoming};

crate::on_both_engines!(
    a_file_goes_from_its_platform_to_a_backend_byte_by_byte,
    a_worker_that_ends_in_the_call_repeats_it_with_the_same_bytes_and_fetches_nothing_again,
    a_worker_that_ends_between_fetch_and_call_fetches_nothing_again,
    a_platform_that_stumbles_is_asked_again,
    a_file_that_cannot_be_had_is_an_answer,
    a_file_whose_time_is_over_is_removed_and_its_call_is_not_made,
    a_file_goes_through_the_folder_and_lies_there_once,
    a_folder_that_is_away_loses_nothing,
    a_folder_that_stays_away_is_told,
    a_file_of_the_database_is_sent_after_a_folder_was_named,
    unused_files_are_removed_from_the_folder,
    a_file_larger_than_a_part_goes_into_the_folder_as_it_comes,
    a_file_that_is_too_large_leaves_nothing_in_the_folder,
    what_a_killed_process_was_writing_is_removed_from_the_folder,
    an_upload_goes_to_a_backend_from_wherever_it_lies,
);

/// The first bytes of a PNG, and bytes that no text may hold.
fn png(bytes: usize) -> Vec<u8> {
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    content.extend((0..=255).cycle().take(bytes - content.len()));
    content
}

/// A bench whose files are in a folder, and that folder, which goes away with it.
async fn with_folder(engine: Engine, more: &[(&str, &str)]) -> (Bench, tempfile::TempDir) {
    with_folder_and(engine, more, "").await
}

/// The same, with more accounts.
async fn with_folder_and(engine: Engine, more: &[(&str, &str)], accounts: &str) -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let files = [("CONVERSATION_WORKER__FILES__KIND", "folder"), ("CONVERSATION_WORKER__FILES__FOLDER", &place)];
    (Bench::with_account(engine, &[&files[..], more].concat(), accounts).await, folder)
}

/// The hashes of all files in the folder.
fn kept(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let found = entries.flat_map(|entry| match entry.path().is_dir() {
        true => kept(&entry.path()),
        false => vec![entry.file_name().into_string().expect("a name")],
    });
    found.collect()
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

async fn a_file_goes_from_its_platform_to_a_backend_byte_by_byte(engine: Engine) {
    let bench = Bench::new(engine).await;
    let content = png(100_000);
    let url = bench.platform.keep_file("mirror", &content);
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo").await.conversation;
    bench.quiet(conversation).await;
    bench.send_file("385911", "m-2", &url, "photo").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    // What it is, its bytes say: the platform calls it a GIF.
    assert_eq!(bench.platform.texts(), ["image/png of 100000: 201", "image/png of 100000: 201"]);
    let bodies = bench.backend.bodies();
    assert!(contains(&bodies[0], &content) && contains(&bodies[0], b"Content-Type: image/png"));
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bench.backend.effects(), 2, "each was decided for itself");
}

async fn a_worker_that_ends_in_the_call_repeats_it_with_the_same_bytes_and_fetches_nothing_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    let content = png(100_000);
    let url = bench.platform.keep_file("mirror", &content);
    bench.backend.hold();
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    worker.kill().await;
    bench.platform.forget_files();
    bench.backend.release();
    bench.meddle("update conversations set lease_until = 0").await;
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["image/png of 100000: 201"]);
    assert_eq!(bench.platform.file_reads(), 1);
    let (requests, bodies) = (bench.backend.requests(), bench.backend.bodies());
    assert_eq!((requests.len(), bench.backend.effects()), (2, 1));
    assert_eq!((&requests[0], &bodies[0]), (&requests[1], &bodies[1]), "the same request with the same key");
    assert!(contains(&bodies[1], &content));
}

async fn a_worker_that_ends_between_fetch_and_call_fetches_nothing_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    let content = png(1_000);
    let url = bench.platform.keep_file("mirror", &content);
    bench.catalog.away.store(1_000_000, Ordering::SeqCst);
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo after a search").await.conversation;
    eventually("the catalogue was asked", async || bench.catalog.away.load(Ordering::SeqCst) < 1_000_000).await;
    worker.kill().await;
    bench.platform.forget_files();
    bench.catalog.away.store(0, Ordering::SeqCst);
    bench.meddle("update conversations set lease_until = 0, wake_at = 0").await;
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["image/png of 1000: 201"]);
    assert_eq!((bench.platform.file_reads(), bench.backend.effects()), (1, 1));
    assert!(contains(&bench.backend.bodies()[0], &content));
}

async fn a_platform_that_stumbles_is_asked_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    let url = bench.platform.keep_file("mirror", &png(1_000));
    bench.platform.fail_next_file(503);
    bench.platform.fail_next_file(429);
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["image/png of 1000: 201"]);
    assert_eq!(bench.platform.file_reads(), 3);
}

async fn a_file_that_cannot_be_had_is_an_answer(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let large = bench.platform.keep_file("large", &png(10 * 1024 * 1024 + 1));
    let empty = bench.platform.keep_file("empty", b"");
    let gone = large.replace("large", "gone");
    let foreign = "http://127.0.0.1:9/media/large".to_owned();
    for (n, (url, told, reads)) in
        [(large, "10485760 at most", 1), (gone, "lost", 1), (empty, "lost", 1), (foreign, "lost", 0)].iter().enumerate()
    {
        let before = bench.platform.file_reads();
        let conversation = bench.send_file("385911", &format!("m-{n}"), url, "photo").await.conversation;
        bench.quiet(conversation).await;
        assert_eq!(bench.platform.texts().last().map(String::as_str), Some(*told), "{url}");
        assert_eq!(bench.platform.file_reads() - before, *reads, "{url}");
    }
    worker.stop().await;
    assert_eq!(bench.backend.requests(), []);
}

async fn a_file_whose_time_is_over_is_removed_and_its_call_is_not_made(engine: Engine) {
    let bench = Bench::new(engine).await;
    let url = bench.platform.keep_file("mirror", &png(1_000));
    bench.catalog.away.store(1_000_000, Ordering::SeqCst);
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo after a search").await.conversation;
    eventually("the catalogue was asked", async || bench.catalog.away.load(Ordering::SeqCst) < 1_000_000).await;
    bench.meddle("update media set expires_at = 0").await;
    eventually("the sweep was there", async || {
        bench.changed_by("update media set name = name where content is null").await == 1
    })
    .await;
    bench.catalog.away.store(0, Ordering::SeqCst);
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["image/png of 1000: away"]);
    assert_eq!(bench.backend.requests(), []);
}

async fn a_file_goes_through_the_folder_and_lies_there_once(engine: Engine) {
    let (bench, folder) = with_folder(engine, &[]).await;
    let content = png(100_000);
    let url = bench.platform.keep_file("mirror", &content);
    let worker = bench.start().await;
    for (n, peer) in ["385911", "385912"].iter().enumerate() {
        let conversation = bench.send_file(peer, &format!("m-{n}"), &url, "photo").await.conversation;
        bench.quiet(conversation).await;
    }
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["image/png of 100000: 201", "image/png of 100000: 201"]);
    assert!(bench.backend.bodies().iter().all(|body| contains(body, &content)));
    assert_eq!(kept(folder.path()), [hex::encode(Sha256::digest(&content))], "of both conversations");
    assert_eq!(bench.changed_by("update media set name = name where content is not null").await, 0);
}

async fn a_folder_that_is_away_loses_nothing(engine: Engine) {
    let (bench, folder) = with_folder(engine, &[]).await;
    let url = bench.platform.keep_file("mirror", &png(1_000));
    let tenant = folder.path().join("default");
    std::fs::write(&tenant, b"no folder").expect("written");
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo").await.conversation;
    eventually("it was tried", async || bench.platform.file_reads() >= 2).await;
    assert_eq!(bench.platform.texts(), [""; 0]);
    std::fs::remove_file(&tenant).expect("removed");
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["image/png of 1000: 201"]);
    assert_eq!(bench.backend.effects(), 1);
}

async fn a_folder_that_stays_away_is_told(engine: Engine) {
    let (bench, folder) = with_folder(engine, &[("CONVERSATION_WORKER__WORKER__RETRY_AGE_MAX", "1s")]).await;
    let url = bench.platform.keep_file("mirror", &png(1_000));
    std::fs::write(folder.path().join("default"), b"no folder").expect("written");
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo").await.conversation;
    bench.meddle("update inbox set accepted_at = accepted_at - 600000000").await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts().len(), 1, "{:?}", bench.platform.texts());
    let letters = bench
        .store
        .list_dead_letters(&domain::Tenant::new("default").expect("a tenant"), None, 9)
        .await
        .expect("letters");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("file store"), "{}", letters[0].reason);
    assert_eq!(bench.backend.requests(), []);
}

async fn a_file_of_the_database_is_sent_after_a_folder_was_named(engine: Engine) {
    let mut bench = Bench::new(engine).await;
    let content = png(1_000);
    let url = bench.platform.keep_file("mirror", &content);
    bench.catalog.away.store(1_000_000, Ordering::SeqCst);
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo after a search").await.conversation;
    eventually("the catalogue was asked", async || bench.catalog.away.load(Ordering::SeqCst) < 1_000_000).await;
    worker.stop().await;
    let folder = tempfile::tempdir().expect("a folder");
    bench.set("CONVERSATION_WORKER__FILES__KIND", "folder");
    bench.set("CONVERSATION_WORKER__FILES__FOLDER", &folder.path().display().to_string());
    bench.catalog.away.store(0, Ordering::SeqCst);
    let worker = bench.start().await;
    bench.coordination.ring(conversation, None);
    bench.quiet(conversation).await;
    worker.stop().await;
    assert!(contains(&bench.backend.bodies()[0], &content));
    assert_eq!(kept(folder.path()), [""; 0]);
}

async fn unused_files_are_removed_from_the_folder(engine: Engine) {
    let (bench, folder) = with_folder(engine, &[]).await;
    let (one, two) = (bench.platform.keep_file("one", &png(1_000)), bench.platform.keep_file("two", &png(2_000)));
    let worker = bench.start().await;
    for (n, url) in [one, two].iter().enumerate() {
        let conversation = bench.send_file("385911", &format!("m-{n}"), url, "photo").await.conversation;
        bench.quiet(conversation).await;
    }
    assert_eq!(kept(folder.path()).len(), 2);
    bench.meddle("update stored_files set touched_at = 0").await;
    bench.meddle("update media set expires_at = 0 where size_bytes = 1000").await;
    eventually("the sweep was there", async || kept(folder.path()).len() == 1).await;
    assert_eq!(kept(folder.path()), [hex::encode(Sha256::digest(png(2_000)))]);
    eventually("it is written down", async || {
        bench.changed_by("update stored_files set kept = kept where not kept").await == 1
    })
    .await;
    worker.stop().await;
}

async fn a_file_larger_than_a_part_goes_into_the_folder_as_it_comes(engine: Engine) {
    let (bench, folder) = with_folder(engine, &[]).await;
    // More than the database takes.
    let content = png(11 * 1024 * 1024);
    let url = bench.platform.keep_file("mirror", &content);
    bench.platform.fail_next_file(503);
    let worker = bench.start().await;
    let conversation = bench.send_file("385911", "m-1", &url, "photo").await.conversation;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), [format!("image/png of {}: 201", content.len())]);
    assert!(contains(&bench.backend.bodies()[0], &content[content.len() - 1_000..]));
    assert_eq!(kept(folder.path()), [hex::encode(Sha256::digest(&content))]);
}

async fn a_file_that_is_too_large_leaves_nothing_in_the_folder(engine: Engine) {
    let most = 6 * 1024 * 1024;
    let setting = ("CONVERSATION_WORKER__MEDIA__INFOBIP_BYTES_MAX", most.to_string());
    let (bench, folder) = with_folder(engine, &[(setting.0, &setting.1)]).await;
    let worker = bench.start().await;
    // One says how long it is, the other is found out when more than a part of it is written.
    let told = bench.platform.keep_file("told", &png(most + 1));
    let silent = bench.platform.keep_file("silent", &png(most + 1));
    for (n, url) in [told, silent].iter().enumerate() {
        let conversation = bench.send_file("385911", &format!("m-{n}"), url, "photo").await.conversation;
        bench.quiet(conversation).await;
        assert_eq!(bench.platform.texts()[n], format!("{most} at most"), "{url}");
    }
    eventually("nothing is there", async || kept(folder.path()).is_empty()).await;
    worker.stop().await;
    assert_eq!(bench.changed_by("update stored_files set kept = kept").await, 0);
}

async fn what_a_killed_process_was_writing_is_removed_from_the_folder(engine: Engine) {
    let (bench, folder) = with_folder(engine, &[]).await;
    let place = folder.path().join(".incoming/default");
    std::fs::create_dir_all(&place).expect("made");
    let two_hours_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
    std::fs::File::create(place.join("0c#1")).expect("made").set_modified(two_hours_ago).expect("dated");
    std::fs::write(place.join("0d#1"), b"under way").expect("written");
    let worker = bench.start().await;
    eventually("the sweep was there", async || kept(folder.path()).len() == 1).await;
    worker.stop().await;
    assert_eq!(kept(folder.path()), ["0d#1"]);
}

async fn an_upload_goes_to_a_backend_from_wherever_it_lies(engine: Engine) {
    let web = "[tenants.default.accounts.\"web:main\"]\nchannel = \"web\"";
    let (bench, folder) = with_folder_and(engine, &[], web).await;
    let (tenant, account) = (Tenant::new("default").expect("a name"), "web:main".parse().expect("an account"));
    let config = FilesConfig::Folder { folder: folder.path().to_owned(), shared: false };
    let files = config.open().expect("usable").expect("a store");
    let worker = bench.start().await;
    // One of the database, from before the folder was named, and one of the folder.
    let contents = [png(1_000), png(2_000)];
    for (n, content) in contents.iter().enumerate() {
        let hash = FileHash::of(content);
        let outside = FileContent::Stored { sha256: hash.as_str(), size_bytes: content.len() };
        let upload = UploadNew {
            account: &account,
            owner: "s-1",
            media_type: "image/png",
            name: Some("mirror.png"),
            content: if n == 0 { FileContent::Here(content) } else { outside },
            keep: Duration::from_secs(3_600),
        };
        let quota = UploadQuota { files_max: 9, bytes_max: 100_000, account_bytes_max: 100_000 };
        let put = bench.store.put_upload(&tenant, &upload, quota).await.expect("kept");
        let UploadPut::Kept(id) = put else { panic!("{put:?}") };
        if n == 1 {
            files.put(&tenant, &hash, content.clone().into()).await.expect("put");
        }
        let said = channels::web::upload_content(id, "image/png", Some("photo".to_owned()));
        let incoming = Incoming { account: account.clone(), content: said, ..incoming("s-1", &format!("m-{n}"), "") };
        let accepted = bench.store.accept(&[incoming]).await.expect("accepted")[0];
        bench.coordination.ring(accepted.conversation, None);
        bench.quiet(accepted.conversation).await;
    }
    worker.stop().await;
    let bodies = bench.backend.bodies();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.iter().zip(&contents).all(|(body, content)| contains(body, content)));
    let mut hashes = contents.map(|content| FileHash::of(&content).to_string());
    let mut kept = kept(folder.path());
    hashes.sort();
    kept.sort();
    assert_eq!(kept, hashes);
}
