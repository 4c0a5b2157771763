//! Makes the folder of a model: `cargo run -p local-model --example fetch -- NAME FOLDER [WHEELS]`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::Path;

use anyhow::Context as _;
use local_model::fetch;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = fetch::known(&arguments.next().context("give a model's name")?)?;
    let folder = arguments.next().context("give a folder")?;
    let wheels = arguments.next();
    let path = fetch::fetch(model, Path::new(&folder), wheels.as_deref().map(Path::new))?;
    println!("{}", path.display());
    Ok(())
}
