//! Parses every `*.json` of a folder as an Infobip webhook body: `parse_corpus FOLDER`.
//!
//! Prints what each one became and fails if one cannot be read at all or leads to nothing that is stored.

use std::{env, fs, io::Write as _, process::ExitCode};

use domain::{Content, Micros, Tenant};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = env::args().nth(1).ok_or("usage: parse_corpus FOLDER")?;
    let (tenant, account) = (Tenant::new("default")?, "infobip:main".parse()?);
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut out = std::io::stdout().lock();
    let (mut bodies, mut failed, mut messages, mut receipts, mut unknown) = (0, 0, 0, 0, 0);
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bodies += 1;
        match channels::infobip::parse(&tenant, &account, &fs::read(&path)?, Micros(0)) {
            Ok(parsed) => {
                let kinds: Vec<&str> = parsed.messages.iter().map(|message| kind(&message.content)).collect();
                let states: Vec<&str> = parsed.receipts.iter().map(|receipt| receipt.status.as_str()).collect();
                let reasons: Vec<&str> = parsed.unknown.iter().map(|part| part.reason.as_str()).collect();
                writeln!(out, "{name}: {kinds:?} {states:?} {reasons:?}")?;
                if kinds.len() + states.len() + reasons.len() == 0 {
                    failed += 1;
                }
                messages += kinds.len();
                receipts += states.len();
                unknown += reasons.len();
            }
            Err(error) => {
                failed += 1;
                writeln!(out, "{name}: {error}")?;
            }
        }
    }
    writeln!(out, "{messages} messages, {receipts} receipts, {unknown} stored as unknown")?;
    writeln!(out, "figure infobip_bodies {bodies}")?;
    writeln!(out, "figure infobip_bodies_failed {failed}")?;
    Ok(if failed == 0 && bodies > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::Text { .. } => "text",
        Content::Choice { .. } => "choice",
        Content::Media { .. } => "media",
        Content::Location { .. } => "location",
        Content::Alarm { .. } | Content::Unknown { .. } => "other",
    }
}
