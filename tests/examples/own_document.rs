//! Journeys on documents that nobody here wrote: `own_document <data folder> <path of the binary dragoman>`.
//!
//! Each document gets a backend made from itself; the sentences come by the web chat. Prints a line per journey.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

mod product;
use product::World;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(data), Some(binary)) = (arguments.next(), arguments.next()) else {
        bail!("give the data folder and the path of the binary");
    };
    let openapi = PathBuf::from(data).join("openapi");
    service_kit::install_crypto();
    let mut failed = 0;
    for (name, outcome) in [
        ("github: open issues of a repository", github(&openapi, &binary).await),
        ("traccar: an effect after one yes, its id from a name", traccar(&openapi, &binary).await),
    ] {
        match outcome {
            Ok(()) => println!("ok    {name}"),
            Err(error) => {
                failed += 1;
                println!("wrong {name}: {error:#}");
            }
        }
    }
    ensure!(failed == 0, "{failed} journeys went wrong");
    Ok(())
}

async fn github(folder: &Path, binary: &str) -> anyhow::Result<()> {
    let file = folder.join("github-api.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(&file)?).read_to_string(&mut text)?;
    let world = World::start(&file, serde_json::from_str(&text)?, "", &[], &[], binary).await?;
    let mut chat = world.chat();
    let answer = chat.says("show me the open issues of octocat/hello-world").await?;
    let calls = world.backend.calls();
    ensure!(
        calls.iter().any(|call| call.target.starts_with("/repos/octocat/hello-world/issues")),
        "calls {:?}, answer {answer}",
        calls.iter().map(|call| &call.target).collect::<Vec<_>>()
    );
    Ok(())
}

async fn traccar(folder: &Path, binary: &str) -> anyhow::Result<()> {
    let file = folder.join("traccar-fleet.yaml");
    let document = serde_saphyr::from_str(&std::fs::read_to_string(&file)?)?;
    let credential = [("BasicAuth", "ana:secret"), ("ApiKey", "key")];
    let world = World::start(&file, document, "/api", &credential, &[], binary).await?;
    let rows = ["Red van", "White caddy", "Grey estate"];
    let devices: Vec<Value> = rows
        .iter()
        .zip(1..)
        .map(|(name, id)| json!({"id": id, "name": name, "uniqueId": format!("ZG-{id}")}))
        .collect();
    world.backend.set_answer("GET /devices", json!(devices));
    let mut chat = world.chat();
    let echo = chat.says("delete the device White caddy").await?;
    ensure!(world.backend.all_effects() == 0, "an effect before the yes");
    ensure!(echo.to_string().contains("White caddy"), "the echo names no row: {echo}");
    let yes = choice(&echo, "Yes").with_context(|| format!("no yes is offered: {echo}"))?;
    let answer = chat.post(json!({ "message": "", "choice": yes })).await?;
    let calls = world.backend.calls();
    let effects: Vec<&str> = calls.iter().filter(|call| call.acted).map(|call| call.target.as_str()).collect();
    ensure!(effects == ["/api/devices/2"], "effects {effects:?}, answer {answer}");
    Ok(())
}

fn choice(answer: &Value, title: &str) -> Option<String> {
    let messages = answer["messages"].as_array()?;
    let mut button = messages.iter().flat_map(|message| message["buttons"].as_array().into_iter().flatten());
    button.rfind(|button| button["title"].as_str().is_some_and(|text| text.starts_with(title)))?["id"]
        .as_str()
        .map(str::to_owned)
}
