//! Accept: once, in order, without gaps.

use std::collections::BTreeSet;

use domain::Content;
use store::StoreError;

use crate::support::{Db, account, answer, on_both_engines, tenant, text};

on_both_engines!(
    sixteen_copies_at_once_make_one_row,
    a_key_twice_in_one_group_takes_one_seq,
    a_group_of_known_people_strangers_and_repeats_goes_in_whole,
    concurrent_groups_leave_no_gaps,
    groups_in_opposite_order_both_go_in,
    a_repeat_rings_until_it_is_answered,
    a_group_with_a_bad_message_keeps_nothing,
    an_accepted_message_stands_as_it_came,
    a_key_that_leads_elsewhere_now_is_still_known,
    people_are_made_once_and_keep_their_id,
    a_taken_seq_is_an_error_and_never_a_skip,
    an_accepted_message_wakes_its_conversation,
);

async fn sixteen_copies_at_once_make_one_row(db: &Db) {
    for round in 0..5 {
        let id = format!("copy-{round}");
        let copies = (0..16).map(|_| {
            let (store, message) = (db.store.clone(), text("acme", "p", &id));
            tokio::spawn(async move {
                // A lock that is not free in time is answered 503, and the platform comes again.
                for _ in 0..50 {
                    match store.accept(std::slice::from_ref(&message)).await {
                        Err(StoreError::Busy) => {}
                        other => return other,
                    }
                }
                Err(StoreError::Busy)
            })
        });
        let mut fresh = 0;
        let mut seqs = BTreeSet::new();
        for copy in futures::future::join_all(copies).await {
            let accepted = copy.expect("no panic").expect("accepted")[0];
            fresh += i32::from(!accepted.duplicate);
            seqs.insert(accepted.seq);
        }
        assert_eq!((fresh, seqs), (1, BTreeSet::from([round + 1])));
    }
    assert_eq!(db.number("select count(*) from inbox".to_owned()).await, 5);
    assert_eq!(db.number("select count(*) from messages".to_owned()).await, 5);
    assert_eq!(db.number("select next_seq from conversations".to_owned()).await, 5);
    assert_eq!(db.number("select count(*) from conversations".to_owned()).await, 1);
}

async fn a_key_twice_in_one_group_takes_one_seq(db: &Db) {
    let group = [text("acme", "p", "a"), text("acme", "p", "b"), text("acme", "p", "a"), text("acme", "p", "c")];
    let accepted = db.store.accept(&group).await.expect("accepted");
    let seen: Vec<_> = accepted.iter().map(|a| (a.seq, a.duplicate, a.ring)).collect();
    assert_eq!(seen, [(1, false, true), (2, false, true), (1, true, true), (3, false, true)]);
    assert_eq!(db.number("select next_seq from conversations".to_owned()).await, 3);
}

async fn a_group_of_known_people_strangers_and_repeats_goes_in_whole(db: &Db) {
    let seen = async |group: &[_]| {
        let accepted = db.store.accept(group).await.expect("accepted");
        accepted.iter().map(|accepted| (accepted.seq, accepted.duplicate)).collect::<Vec<_>>()
    };
    db.say("p", "m1").await;
    let words = |peer: &str, id: &str| text("acme", peer, id);
    assert_eq!(
        seen(&[words("p", "m2"), words("q", "m3"), words("p", "m4")]).await,
        [(2, false), (1, false), (3, false)]
    );
    assert_eq!(
        seen(&[words("q", "m5"), words("p", "m6"), words("q", "m7")]).await,
        [(2, false), (4, false), (3, false)]
    );
    assert_eq!(
        seen(&[words("q", "m8"), words("p", "m2"), words("q", "m9")]).await,
        [(4, false), (2, true), (5, false)]
    );
    assert_eq!(db.number("select count(*) from inbox".to_owned()).await, 9);
    assert_eq!(db.number("select count(*) from messages".to_owned()).await, 9);
    assert_eq!(db.number("select cast(sum(next_seq) as bigint) from conversations".to_owned()).await, 9);
}

async fn concurrent_groups_leave_no_gaps(db: &Db) {
    let groups = (0..12).map(|i| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let group: Vec<_> =
                (0..4).map(|k| text("acme", &format!("p{}", (i + k) % 3), &format!("m{}", (i * 2 + k) % 20))).collect();
            for _ in 0..100 {
                match store.accept(&group).await {
                    Err(StoreError::Busy) => {}
                    other => return other.map(|_| ()),
                }
            }
            Err(StoreError::Busy)
        })
    });
    for group in futures::future::join_all(groups).await {
        group.expect("no panic").expect("accepted");
    }
    let bad = "select count(*) from conversations c where next_seq <> (select count(*) from inbox i where i.conversation = c.id) \
               or next_seq <> coalesce((select max(seq) from inbox i where i.conversation = c.id), 0)";
    assert_eq!(db.number(bad.to_owned()).await, 0);
    let twice = "select count(*) from (select provider_message_id from inbox group by provider_message_id having count(*) > 1) t";
    assert_eq!(db.number(twice.to_owned()).await, 0);
}

async fn groups_in_opposite_order_both_go_in(db: &Db) {
    const PEOPLE: usize = 100;
    for round in 0..10 {
        // New people, and at every second time those of the time before.
        let say = |way: &str, person: usize| {
            text("acme", &format!("p{}-{person}", round / 2), &format!("{way}-{round}-{person}"))
        };
        let one: Vec<_> = (0..PEOPLE).map(|person| say("up", person)).collect();
        let two: Vec<_> = (0..PEOPLE).rev().map(|person| say("down", person)).collect();
        let (one, two) = tokio::join!(db.store.accept(&one), db.store.accept(&two));
        assert_eq!(one.expect("accepted").len() + two.expect("accepted").len(), 2 * PEOPLE);
    }
}

async fn a_repeat_rings_until_it_is_answered(db: &Db) {
    let first = db.say("p", "m1").await;
    let again = db.say("p", "m1").await;
    assert!(!first.duplicate && again.duplicate && again.ring);
    assert_eq!((again.conversation, again.seq), (first.conversation, first.seq));
    let lease = db.claim(first.conversation).await;
    db.store.commit(&lease, &answer(1, 1, 0)).await.expect("a commit");
    let late = db.say("p", "m1").await;
    assert!(late.duplicate && !late.ring);
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 1);
}

async fn a_group_with_a_bad_message_keeps_nothing(db: &Db) {
    for bad in [text("acme", "a\0b", "m2"), text("acme", "p", ""), text("acme", "p", &"x".repeat(2000))] {
        let error = db.store.accept(&[text("acme", "p", "m1"), bad]).await.expect_err("refused");
        assert!(matches!(error, StoreError::Payload(_)), "{error}");
    }
    assert_eq!(db.number("select count(*) from inbox".to_owned()).await, 0);
    // A NUL in the words themselves is no reason to refuse them.
    let mut odd = text("acme", "p", "m3");
    odd.content = Content::Text { text: "a\0b".to_owned() };
    odd.contact_name = Some("A\0na".to_owned());
    db.store.accept(&[odd]).await.expect("accepted");
}

async fn an_accepted_message_stands_as_it_came(db: &Db) {
    let mut message = text("acme", "p", "m1");
    message.quoted = Some("q".to_owned());
    message.written_at = Some(domain::Micros(17));
    let accepted = db.store.accept(std::slice::from_ref(&message)).await.expect("accepted")[0];
    let lease = db.claim(accepted.conversation).await;
    assert_eq!(
        (lease.tenant.as_str(), lease.account.to_string().as_str(), lease.peer.as_str()),
        ("acme", "infobip:main", "p")
    );
    let rows = db.store.inbox_range(&lease, 1, 10).await.expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].seq, &rows[0].incoming, rows[0].attempts), (1, &message, 0));
    let now = db.store.now().await.expect("a clock");
    assert!(rows[0].accepted_at <= now && now.since(rows[0].accepted_at).as_secs() < 20);
    let found = db.store.find_conversation(&tenant("acme"), &account(), "p").await.expect("an answer");
    assert_eq!(found, Some(accepted.conversation));
}

async fn a_key_that_leads_elsewhere_now_is_still_known(db: &Db) {
    let old = db.say("p", "m1").await;
    let new = db.say("q", "m2").await;
    db.exec(format!("update conversation_keys set conversation = {} where peer = 'p'", db.id(new.conversation.0)))
        .await;
    let again = db.say("p", "m1").await;
    assert_eq!((again.conversation, again.seq, again.duplicate), (old.conversation, 1, true));
    let next = db.say("p", "m3").await;
    assert_eq!((next.conversation, next.seq), (new.conversation, 2));
}

async fn people_are_made_once_and_keep_their_id(db: &Db) {
    let mut group = Vec::new();
    for (user, id) in [("u1", "a"), ("u2", "b"), ("u1", "c")] {
        let mut message = text("acme", "group", id);
        message.user = user.to_owned();
        group.push(message);
    }
    let accepted = db.store.accept(&group).await.expect("accepted");
    let lease = db.claim(accepted[0].conversation).await;
    let rows = db.store.inbox_range(&lease, 1, 10).await.expect("rows");
    assert_eq!(rows[0].person, rows[2].person);
    assert_ne!(rows[0].person, rows[1].person);
    assert_eq!(db.number("select count(*) from person".to_owned()).await, 2);
}

async fn a_taken_seq_is_an_error_and_never_a_skip(db: &Db) {
    db.say("p", "m1").await;
    db.exec("update conversations set next_seq = 0".to_owned()).await; // a counter that lies
    let error = db.store.accept(&[text("acme", "p", "m2")]).await.expect_err("refused");
    assert!(matches!(error, StoreError::Database(_)), "{error:?}");
    assert_eq!(db.number("select count(*) from inbox".to_owned()).await, 1);
}

async fn an_accepted_message_wakes_its_conversation(db: &Db) {
    let conversation = db.say("p", "m1").await.conversation;
    db.exec("update conversations set wake_at = 9000000000000000, rung_at = 0".to_owned()).await;
    db.say("p", "m2").await;
    let lease = db.claim(conversation).await;
    assert_eq!(db.store.snapshot(&lease).await.expect("a snapshot").next_seq, 2);
    assert_eq!(db.number("select count(*) from conversations where rung_at > 0".to_owned()).await, 1);
}
