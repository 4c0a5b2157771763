//! A planned end comes at its hit of its point, and without a plan nothing happens.

#![cfg(feature = "on")]

use std::{
    pin::pin,
    process::Command,
    task::{Context, Poll, Waker},
};

use faults::{Bug, Process, planted};

/// Passes one point three times. The other test runs it in a process of its own.
#[test]
fn points_are_passed() {
    for _ in 0..3 {
        let passed = pin!(Process::default().at("commit.before")).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(passed, Poll::Ready(()));
    }
    println!("planted: {}", planted(Bug::NoFence));
}

#[test]
fn a_process_ends_at_the_planned_hit_of_the_planned_point() {
    let folder = std::env::temp_dir().join(format!("faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let crashed = folder.join("crashed");
    let run = |plan: &str| {
        let _ = std::fs::remove_file(&crashed);
        let ended = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "points_are_passed", "--nocapture"])
            .env("DRAGOMAN_CRASH_AT", plan)
            .env("DRAGOMAN_CRASHED", &crashed)
            .env("DRAGOMAN_PLANTED", "no_fence")
            .output()
            .expect("a process");
        let told = String::from_utf8_lossy(&ended.stdout).contains("planted: true");
        (ended.status.success(), told, std::fs::read_to_string(&crashed).ok())
    };
    assert_eq!(run("commit.before:3"), (false, false, Some("commit.before".to_owned())));
    assert_eq!(run("commit.before:4"), (true, true, None));
    assert_eq!(run("commit.after:1"), (true, true, None));
    assert!(!run("no.such.point:1").0, "a plan that cannot come true is refused");
    std::fs::remove_dir_all(&folder).expect("removed");
}
