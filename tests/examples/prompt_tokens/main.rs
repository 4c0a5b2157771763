//! Most tokens of a prompt over 1,223 operations: `prompt_tokens <path of the binary dragoman> [data folder]`.
//!
//! Many people ask many things by the web chat: short and long, in several languages, in long chats. The scripted model
//! server answers as greedily as a model may: many look-ups with long arguments, long texts, unknown tools. The backend
//! answers with far more than fits. Each question that the model was asked is counted by our upper estimate; the largest
//! has to stay under 6,000. Without the data folder a document made here is used, with it the largest one of the folder.
//! `PROMPTS=<file>` keeps every question there, one a line, for whoever counts with a tokenizer.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod document;
mod model;
#[path = "../product/mod.rs"]
mod product;

use std::{
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use llm::{ChatRequest, Message, Tool, ToolCall};
use serde_json::{Value, json};
use simulator::model::Asked;

use product::World;

/// What a prompt stays under.
const LIMIT: usize = 6_000;
/// Operations of both documents.
const OPERATIONS: usize = 1_223;
/// Chats, and questions of each.
const CHATS: usize = 8;
const QUESTIONS: usize = 18;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().context("give the path of the binary")?;
    service_kit::install_crypto();
    let folder = tempfile::tempdir()?;
    let (file, document) = match arguments.next() {
        Some(data) => of_folder(Path::new(&data))?,
        None => {
            let (file, document) = (folder.path().join("made.json"), document::made(OPERATIONS));
            std::fs::write(&file, document.to_string())?;
            (file, document)
        }
    };
    let model = model::start().await?;
    let settings = [
        ("DRAGOMAN__MODEL__PROVIDER", "compatible"),
        ("DRAGOMAN__MODEL__BASE_URL", &model.url),
        ("DRAGOMAN__MODEL__API_KEY", model::KEY),
        ("DRAGOMAN__MODEL__NAME", "gpt-4o-mini"),
        ("AI_RATE_LIMIT", "100000"),
    ];
    let world = World::start(&file, document.clone(), "", &[], &settings, &binary).await?;
    ensure!(world.backend.operations() == OPERATIONS, "the document has {} operations", world.backend.operations());
    let gets = operations(&document, "get");
    for (path, _) in &gets {
        world.backend.set_answer(&format!("GET {path}"), document::result());
    }
    let summaries: Vec<String> = operations(&document, "").into_iter().map(|(_, summary)| summary).collect();
    let mut turns = 0;
    for chat in 0..CHATS {
        let mut talk = world.chat();
        for question in 0..QUESTIONS {
            model.be(turns);
            let summary = &summaries[(turns * 31 + chat) % summaries.len()];
            let answer = talk.says(&sentence(summary, chat, question)).await?;
            ensure!(answer["messages"].as_array().is_some_and(|all| !all.is_empty()), "no answer: {answer}");
            turns += 1;
        }
    }
    count(&model.server.asked(), turns, world.backend.calls().len())
}

/// Prints the figure.
fn count(asked: &[Asked], turns: usize, calls: usize) -> anyhow::Result<()> {
    let refused = asked.iter().find_map(|one| one.refused.as_deref());
    ensure!(refused.is_none(), "the model server refused a prompt: {}", refused.unwrap_or_default());
    let (mut most, mut lines) = (0, String::new());
    for one in asked {
        let tokens = llm::estimate::request(&request(&one.body)?);
        most = most.max(tokens);
        writeln!(lines, "{}", json!({ "estimate": tokens, "body": one.body }))?;
    }
    if let Some(file) = std::env::var_os("PROMPTS") {
        std::fs::write(&file, lines)?;
    }
    println!("{turns} turns over {OPERATIONS} operations, {calls} calls of the backend, {} prompts", asked.len());
    println!("figure prompt_tokens_max {most} tokens");
    ensure!(turns >= 100 && asked.len() >= 100, "too few questions for a figure");
    ensure!(most < LIMIT, "a prompt has {most} tokens; it has to stay under {LIMIT}");
    Ok(())
}

/// A question as it went over the wire, in our types.
fn request(body: &Value) -> anyhow::Result<ChatRequest> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut request = ChatRequest::default();
    for message in list(&body["messages"]) {
        let said = text(&message["content"]);
        request.messages.push(match message["role"].as_str() {
            Some("system") => Message::system(said),
            Some("user") => Message::user(said),
            Some("tool") => Message::tool_result(text(&message["tool_call_id"]), said),
            Some("assistant") => Message::Assistant {
                text: said,
                tool_calls: list(&message["tool_calls"])
                    .iter()
                    .map(|call| ToolCall {
                        id: text(&call["id"]),
                        name: text(&call["function"]["name"]),
                        arguments: text(&call["function"]["arguments"]),
                    })
                    .collect(),
            },
            other => bail!("a message of {other:?}"),
        });
    }
    for tool in list(&body["tools"]) {
        let function = &tool["function"];
        let (name, description) = (text(&function["name"]), text(&function["description"]));
        request.tools.push(Tool { name, description, parameters: function["parameters"].clone() });
    }
    Ok(request)
}

/// Path and summary of all operations of a method, or of all.
fn operations(document: &Value, method: &str) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let methods = ["get", "post", "put", "patch", "delete"];
    paths
        .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(name, one)| (path, name, one)))
        .filter(|(_, name, _)| methods.contains(&name.as_str()) && (method.is_empty() || *name == method))
        .map(|(path, _, one)| (path.clone(), one["summary"].as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// The largest document of a data folder.
fn of_folder(data: &Path) -> anyhow::Result<(PathBuf, Value)> {
    let file = data.join("openapi/github-api.json.gz");
    let mut text = String::new();
    let packed = std::fs::File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text)?;
    Ok((file, serde_json::from_str(&text)?))
}

/// What somebody writes who wants `summary`.
fn sentence(summary: &str, chat: usize, question: usize) -> String {
    const STORIES: [&str; 7] = [
        "I have to explain this at length, because the last time nobody understood what I was after. ",
        "Moram to opširno objasniti, jer me zadnji put nitko nije razumio, a žurim se na sastanak. ",
        "Ich muss das ausführlich erklären, weil mich letztes Mal niemand verstanden hat. ",
        "Tengo que explicarlo con detalle, porque la última vez nadie entendió qué quería. ",
        "Мне нужно объяснить это подробно, потому что в прошлый раз никто меня не понял. ",
        "前回は誰にも分かってもらえなかったので、詳しく説明する必要があります。",
        "🚗💨👩‍👩‍👧‍👦 ok 👍🏽 {\"id\": \"0198f3c2-7b1d-7a55-9c3e\", \"n\": 1234567} ",
    ];
    let story = STORIES[(chat + question) % STORIES.len()];
    let wish = match question % 4 {
        0 => format!("{summary}, please"),
        1 => format!("can you help me: {summary}?"),
        2 => format!("molim te: {summary}"),
        _ => format!("what about {summary}, and everything that belongs to it"),
    };
    match question % 3 {
        0 => wish,
        1 => format!("{} {wish}", story.repeat(300 / story.chars().count())),
        _ => format!("{wish}. {}", story.repeat(3_500 / story.chars().count())),
    }
}
