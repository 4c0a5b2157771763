//! Prints the vectors of lines, for comparison with a reference:
//! `cargo run -p local-model --features candle --example embed -- FOLDER query|passage < lines`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{io::BufRead as _, path::Path};

use anyhow::Context as _;
use local_model::{Model, Role};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("give the folder of a model")?;
    let role = if arguments.next().as_deref() == Some("query") { Role::Query } else { Role::Passage };
    let model = Model::open(Path::new(&folder))?;
    for line in std::io::stdin().lock().lines() {
        let vector = model.embed(&line?, role)?;
        println!("{}", serde_json::to_string(&vector)?);
    }
    Ok(())
}
