//! Files that backends answer with: what is said of them, and the replies that show them.

use domain::{Reply, ReplyFile};

use super::scope::Scope;
use crate::{
    language::{
        Lang,
        format::{capital, cut, size},
        texts,
    },
    turn::{AnswerFile, FileOutcome},
};

/// Most files of one answer; a turn makes few calls, and a person looks at fewer.
const FILES_MAX: usize = 5;
/// Most characters of a caption.
const CAPTION_CHARS: usize = 200;

/// "report.pdf, 240 kB", in place of an answer that is a file.
pub fn in_words(lang: Lang, file: &AnswerFile) -> String {
    match &file.kept {
        FileOutcome::Kept { size_bytes, .. } => format!("{}, {}", name(lang, file), size(lang, *size_bytes)),
        FileOutcome::TooLarge { .. } | FileOutcome::Unavailable { .. } => name(lang, file),
    }
}

/// The name that the backend gave, else "a picture" or "a file".
fn name(lang: Lang, file: &AnswerFile) -> String {
    let picture = matches!(&file.kept, FileOutcome::Kept { media_type, .. } if media_type.starts_with("image/"));
    file.name.clone().unwrap_or_else(|| texts::say(lang, if picture { "picture-word" } else { "file-word" }, &[]))
}

/// Puts the files of this turn into its replies; of those that are not there it is said why.
pub fn show(scope: &mut Scope<'_>) {
    let mut files = std::mem::take(&mut scope.files);
    let mut seen = Vec::new();
    files.retain(|(_, file)| match &file.kept {
        FileOutcome::Kept { sha256, .. } => {
            let new = !seen.contains(sha256);
            seen.push(sha256.clone());
            new
        }
        FileOutcome::TooLarge { .. } | FileOutcome::Unavailable { .. } => true,
    });
    for (title, file) in files.into_iter().take(FILES_MAX) {
        let what = name(scope.lang, &file);
        match file.kept {
            FileOutcome::Kept { sha256, media_type, size_bytes } => {
                let instead = scope.text("file-not-sent", &[("what", &what)]);
                let caption = Some(cut(&capital(&title), CAPTION_CHARS)).filter(|caption| !caption.is_empty());
                add(scope, ReplyFile { sha256, media_type, name: file.name, size_bytes, caption, instead });
            }
            FileOutcome::TooLarge { limit_bytes } => {
                let most = size(scope.lang, limit_bytes);
                let text = scope.text("file-not-passed-on", &[("most", &most)]);
                say_more(scope, &text);
            }
            FileOutcome::Unavailable { .. } => {
                let text = scope.text("file-not-kept", &[("what", &what)]);
                say_more(scope, &text);
            }
        }
    }
}

fn add(scope: &mut Scope<'_>, file: ReplyFile) {
    match scope.replies.last_mut().filter(|last| last.file.is_none()) {
        Some(last) => last.file = Some(file),
        None => scope.replies.push(Reply { file: Some(file), ..Reply::default() }),
    }
}

/// Says it behind what was said last, with the same buttons.
fn say_more(scope: &mut Scope<'_>, text: &str) {
    match scope.replies.last_mut() {
        Some(last) if !last.text.is_empty() => last.text = format!("{}\n{text}", last.text),
        Some(last) => last.text = text.to_owned(),
        None => scope.say(text),
    }
}
