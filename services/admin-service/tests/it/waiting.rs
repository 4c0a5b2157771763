//! The binary while its database is away.

#[test]
fn probes_are_answered_while_the_database_is_away_and_a_signal_ends_the_wait() {
    let program = env!("CARGO_BIN_EXE_admin-service");
    testkit::check_start_without_database(program, "ADMIN_SERVICE", &["GRPC", "HTTP"])
        .expect("alive, not ready, stopped in order");
}
