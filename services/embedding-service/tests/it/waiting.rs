//! The binary while its database is away.

#[test]
fn probes_are_answered_while_the_database_is_away_and_a_signal_ends_the_wait() {
    let program = env!("CARGO_BIN_EXE_embedding-service");
    testkit::check_start_without_database(program, "EMBEDDING_SERVICE", &["GRPC"])
        .expect("alive, not ready, stopped in order");
}
