//! Statements behind everybody's back, on both kinds of database.

/// The number of rows that a statement changes.
pub async fn change(database: &str, sql: &'static str) -> u64 {
    if database.starts_with("sqlite:") {
        let pool = sqlx::SqlitePool::connect(database).await.expect("the database");
        let changed = sqlx::query(sql).execute(&pool).await.expect("a change").rows_affected();
        pool.close().await;
        changed
    } else {
        let pool = sqlx::PgPool::connect(database).await.expect("the database");
        let changed = sqlx::query(sql).execute(&pool).await.expect("a change").rows_affected();
        pool.close().await;
        changed
    }
}

/// The number that a query gives.
pub async fn count(database: &str, sql: &'static str) -> i64 {
    if database.starts_with("sqlite:") {
        let pool = sqlx::SqlitePool::connect(database).await.expect("the database");
        let number = sqlx::query_scalar(sql).fetch_one(&pool).await.expect("a count");
        pool.close().await;
        number
    } else {
        let pool = sqlx::PgPool::connect(database).await.expect("the database");
        let number = sqlx::query_scalar(sql).fetch_one(&pool).await.expect("a count");
        pool.close().await;
        number
    }
}
