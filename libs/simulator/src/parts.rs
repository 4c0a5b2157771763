//! `multipart/form-data` (RFC 7578) as a strict backend reads it: texts become a JSON object, a file the hash of its bytes.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A file that came in a part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FilePart {
    /// Name of the field.
    pub field: String,
    /// Name of the file.
    pub name: String,
    /// Its `Content-Type`.
    pub media_type: String,
    /// All of it.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// The parts of a body, or what is wrong with it.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Result<(Value, Vec<FilePart>), &'static str> {
    let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="));
    let boundary = boundary.map(|text| text.trim_matches('"')).filter(|text| !text.is_empty());
    let mark = format!("--{}", boundary.ok_or("the boundary is missing")?);
    let mut rest = body.strip_prefix(mark.as_bytes()).ok_or("the first boundary is missing")?;
    let (mut values, mut files) = (Map::new(), Vec::new());
    let mark = format!("\r\n{mark}");
    loop {
        if rest == b"--\r\n" || rest == b"--" {
            return Ok((Value::Object(values), files));
        }
        rest = rest.strip_prefix(b"\r\n").ok_or("a boundary does not end its line")?;
        let head = find(rest, b"\r\n\r\n").ok_or("the headers of a part do not end")?;
        let end = find(&rest[head..], mark.as_bytes()).ok_or("a part does not end")? + head;
        let headers = std::str::from_utf8(&rest[..head]).map_err(|_| "the headers of a part are no text")?;
        let content = rest.get(head + 4..end).ok_or("a part has no content")?;
        let header = |name: &str| {
            headers.lines().find_map(|line| line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name)))
        };
        let (_, disposition) = header("content-disposition").ok_or("a part says not what it is")?;
        let named = |key: &str| {
            let value = disposition.split("; ").find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
            value.map(|text| text.trim_matches('"').to_owned())
        };
        let field = named("name").filter(|_| disposition.starts_with("form-data")).ok_or("a part has no name")?;
        let value = match named("filename") {
            Some(name) => {
                let (_, media_type) = header("content-type").ok_or("a file has no type")?;
                let media_type = media_type.to_owned();
                files.push(FilePart { field: field.clone(), name, media_type, content: content.to_vec() });
                json!(hex::encode(Sha256::digest(content)))
            }
            None => json!(std::str::from_utf8(content).map_err(|_| "a part without a file name is no text")?),
        };
        if values.insert(field, value).is_some() {
            return Err("a field came twice");
        }
        rest = &rest[end + mark.len()..];
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_and_what_is_not_lawful_is_refused() {
        let kind = "multipart/form-data; boundary=b";
        let text = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n";
        let file = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"p.jpg\"\r\n\
                    Content-Type: image/jpeg\r\n\r\n\r\n--\r\n";
        let (values, files) = read(kind, format!("{text}{file}--b--\r\n").as_bytes()).expect("parts");
        assert_eq!((values["a"].as_str(), values["f"].as_str().map(str::len)), (Some("x"), Some(64)));
        assert_eq!(
            (files.len(), files[0].name.as_str(), files[0].content.as_slice()),
            (1, "p.jpg", b"\r\n--".as_slice())
        );
        for (kind, body) in [
            ("multipart/form-data", format!("{text}--b--")),
            (kind, String::new()),
            (kind, text.to_owned()),
            (kind, format!("{text}{text}--b--")),
            (kind, format!("{text}--b")),
            (kind, "--b\r\n\r\nx\r\n--b--".to_owned()),
            (kind, "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"p\"\r\n\r\nx\r\n--b--".to_owned()),
        ] {
            assert!(read(kind, body.as_bytes()).is_err(), "{kind} {body:?}");
        }
    }
}
