//! Thumbs for answers: the last word counts, and only answers of the conversation get one.

use store::{Cursor, Rating, StoreError, feedback::COMMENT_CHARS_MAX};

use crate::support::{Db, answer, on_both_engines, tenant};

on_both_engines!(feedback_can_be_changed_and_said_twice, what_is_no_answer_of_the_conversation_gets_none);

async fn feedback_can_be_changed_and_said_twice(db: &Db) {
    let lease = db.held().await;
    db.store.commit(&lease, &answer(1, 1, 2)).await.expect("a commit");
    let acme = tenant("acme");
    let place = Cursor { seq: 1, part: 1 };
    for (rating, comment) in
        [(Rating::Up, None), (Rating::Down, Some("too\0 long")), (Rating::Down, Some("too\0 long"))]
    {
        let kept = db.store.give_feedback(&acme, lease.conversation, place, rating, comment).await;
        assert!(kept.expect("an answer"));
    }
    let all = db.store.feedback(&acme, lease.conversation, 1, 1).await.expect("a map");
    assert_eq!(all.keys().collect::<Vec<_>>(), [&place]);
    assert_eq!((all[&place].rating, all[&place].comment.as_deref()), (Rating::Down, Some("too long")));
    let persons = "select count(*) from feedback f join inbox i on i.person = f.person and i.seq = f.seq";
    assert_eq!(db.number(persons.to_owned()).await, 1, "it is the person's who asked");
    let turns = db.store.timeline(&acme, lease.conversation, None, 1).await.expect("turns");
    let shown: Vec<_> = turns[0].sends.iter().map(|send| send.feedback.as_ref().map(|one| one.rating)).collect();
    assert_eq!(shown, [None, Some(Rating::Down)]);
}

async fn what_is_no_answer_of_the_conversation_gets_none(db: &Db) {
    let lease = db.held().await;
    db.store.commit(&lease, &answer(1, 1, 1)).await.expect("a commit");
    let other = db.say("q", "m2").await;
    let give = |tenant: &'static str, conversation, seq, part| async move {
        let place = Cursor { seq, part };
        let acme = crate::support::tenant(tenant);
        db.store.give_feedback(&acme, conversation, place, Rating::Up, None).await.expect("an answer")
    };
    assert!(give("acme", lease.conversation, 1, 0).await);
    for (tenant, conversation, seq, part) in [
        ("acme", lease.conversation, 1, 1),
        ("acme", lease.conversation, 1, -1),
        ("acme", lease.conversation, 2, 0),
        ("acme", other.conversation, 1, 0),
        ("other", lease.conversation, 1, 0),
    ] {
        assert!(!give(tenant, conversation, seq, part).await, "{tenant} {seq}.{part}");
    }
    let long = "ž".repeat(COMMENT_CHARS_MAX + 1);
    let place = Cursor { seq: 1, part: 0 };
    let error = db.store.give_feedback(&tenant("acme"), lease.conversation, place, Rating::Up, Some(&long)).await;
    assert!(matches!(error, Err(StoreError::Payload(_))));
}
