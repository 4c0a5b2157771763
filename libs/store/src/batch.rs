//! Statements that are one write: one statement on PostgreSQL, one transaction on SQLite.
//!
//! A round trip costs PostgreSQL and us more than most of what it brings, and each transaction has two of its own. So
//! the parts go as `with held as (..), p1 as (..), p2 as (..) select ..`. The first part, `held`, locks the
//! conversation's row; the others change something only if it gave a row (` if_held` and ` and_held`). PostgreSQL looks
//! once, before it waits for that lock, and afterwards only an update sees what changed meanwhile in the row that it is
//! about to write. So what a part decides by has to stand in the row that it changes, or change under this lease only, or
//! change together with that row: a receipt is kept with the row that it proves.

use std::{fmt::Write as _, time::Duration};

use faults::{Bug, planted};
use sqlx::AssertSqlSafe;

use crate::{
    Lease, Store, StoreError,
    engine::{Arg, Pool, Sql, args, pg_args, sql},
    observe::timed,
};

/// The parts in their order, each with `returning .. as v`, a number.
pub(crate) struct Batch(Vec<(Sql, Vec<Arg>)>);

impl Batch {
    /// A batch whose first part, a lock, gives no row where nothing is to be written.
    pub fn new(held: Sql, args: Vec<Arg>) -> Self {
        Self(vec![(held, args)])
    }

    /// A batch that is written while the lease's epoch lasts.
    pub fn fenced(lease: &Lease) -> Self {
        let held = if planted(Bug::NoFence) {
            sql!("update conversations set epoch = epoch where id = $1 returning 1 as v")
        } else if planted(Bug::FenceByExists) {
            sql!("select 1 as v from conversations where id = $1 and epoch = $2 and tenant = $3")
        } else {
            sql!("update conversations set epoch = epoch where id = $1 and epoch = $2 and tenant = $3 returning 1 as v")
        };
        Self::new(held, args![lease.conversation, lease.epoch, &lease.tenant])
    }

    /// Adds a part.
    pub fn push(&mut self, sql: Sql, args: Vec<Arg>) {
        self.0.push((sql, args));
    }

    /// With one part more.
    pub fn and(mut self, sql: Sql, args: Vec<Arg>) -> Self {
        self.push(sql, args);
        self
    }

    /// All parts as one statement, with the placeholders numbered through.
    fn statement(self) -> (String, Vec<Arg>) {
        let (mut text, mut results, mut bound) = (String::with_capacity(1024), String::new(), Vec::new());
        for (n, (sql, args)) in self.0.into_iter().enumerate() {
            let name = if n == 0 { "held".to_owned() } else { format!("p{n}") };
            let _ = write!(text, "{} {name} as (", if n == 0 { "with" } else { "," });
            number_from(&mut text, sql.pg, bound.len());
            text.push(')');
            let _ = write!(results, "{} (select max(v)::bigint from {name}) as v{n}", if n == 0 { "" } else { "," });
            bound.extend(args);
        }
        (text + " select" + &results, bound)
    }
}

/// Writes `sql`, whose `$1` is the placeholder behind the first `before` ones.
fn number_from(text: &mut String, sql: &str, before: usize) {
    let mut pieces = sql.split('$');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        match number.parse::<usize>() {
            Ok(number) => write!(text, "${}{rest}", number + before),
            Err(_) => write!(text, "${rest}"),
        }
        .unwrap_or_default();
    }
}

impl Pool {
    /// Writes all parts or, after an error or when the first gave no row (`None`), nothing. Gives the number of each part
    /// but the first; none for one that changed nothing.
    pub async fn write_batch(&self, limit: Duration, batch: Batch) -> Result<Option<Vec<Option<i64>>>, StoreError> {
        let mut values = Vec::with_capacity(batch.0.len());
        if let Self::Pg(pool) = self {
            let parts = batch.0.len();
            let (text, args) = batch.statement();
            let rows = timed(true, sql!("with"), Self::pg(pool, limit, AssertSqlSafe(text), pg_args(args)?)).await?;
            let row = rows.first().ok_or(StoreError::NotFound("row"))?;
            for n in 0..parts {
                values.push(row.opt_int(&format!("v{n}"))?);
            }
            return Ok(values.remove(0).map(|_| values));
        }
        let mut tx = self.begin(limit).await?;
        for (n, (sql, args)) in batch.0.into_iter().enumerate() {
            let row = tx.optional(sql, args).await?;
            if n > 0 {
                values.push(row.map(|row| row.int("v")).transpose()?);
            } else if row.is_none() {
                tx.rollback().await?;
                return Ok(None);
            }
        }
        tx.commit().await?;
        Ok(Some(values))
    }
}

impl Store {
    /// As [`Pool::write_batch`] with a batch of [`Batch::fenced`].
    pub(crate) async fn write_fenced(&self, batch: Batch) -> Result<Vec<Option<i64>>, StoreError> {
        self.write_batch(batch).await?.ok_or(StoreError::Fenced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_one_statement_with_placeholders_numbered_through() {
        let batch = Batch::new(sql!("update a set x = $2 where id = $1 returning 1 as v"), args![1_i64, 2_i64])
            .and(sql!("insert into b select $1, $1 || '$'" if_held " returning 1 as v"), args!["x"]);
        let (text, args) = batch.statement();
        assert_eq!(
            text,
            "with held as (update a set x = $2 where id = $1 returning 1 as v), \
             p1 as (insert into b select $3, $3 || '$' where exists (select 1 from held) returning 1 as v) \
             select (select max(v)::bigint from held) as v0, (select max(v)::bigint from p1) as v1"
        );
        assert_eq!(args.len(), 3);
    }
}
