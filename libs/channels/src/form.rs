//! Bodies of `multipart/form-data` (RFC 7578) for platforms that take files.

use sha2::{Digest as _, Sha256};

/// A file within a form.
pub(crate) struct FormFile<'a> {
    /// Name of the field.
    pub field: &'a str,
    /// Name of the file.
    pub name: &'a str,
    /// Its media type.
    pub media_type: &'a str,
    /// All of it.
    pub content: &'a [u8],
}

/// Content type and bytes of a form with these texts and one file.
pub(crate) fn form(texts: &[(&str, String)], file: &FormFile<'_>) -> (String, Vec<u8>) {
    // It depends on all that it parts, so nobody can have written it into a value beforehand.
    let mut digest = Sha256::new();
    for (name, text) in texts {
        digest.update(name.len().to_le_bytes());
        digest.update(name);
        digest.update(text.len().to_le_bytes());
        digest.update(text);
    }
    digest.update(file.content);
    let boundary = format!("dragoman-{}", hex::encode(&digest.finalize()[..16]));
    let mut body = Vec::with_capacity(file.content.len() + 1_024);
    for (name, text) in texts {
        let head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"\r\n\r\n", escaped(name));
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(text.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"; filename=\"{}\"\r\ncontent-type: {}\r\n\r\n",
        escaped(file.field),
        escaped(file.name),
        escaped(file.media_type),
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file.content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// As browsers write what would end a name.
fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_texts_and_then_its_file() {
        let file = FormFile { field: "photo", name: "a\"b\r\n.png", media_type: "image/png", content: b"\x89PNG\r\n" };
        let (kind, body) = form(&[("chat_id", "42".to_owned())], &file);
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        let expected = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"chat_id\"\r\n\r\n42\r\n\
             --{boundary}\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"a%22b%0D%0A.png\"\r\n\
             content-type: image/png\r\n\r\n"
        );
        assert!(body.starts_with(expected.as_bytes()));
        assert!(body.ends_with(format!("PNG\r\n\r\n--{boundary}--\r\n").as_bytes()));
    }

    #[test]
    fn a_boundary_is_in_no_value() {
        let file = |content| FormFile { field: "f", name: "n", media_type: "image/png", content };
        let (first, _) = form(&[], &file(b"x"));
        let boundary = first.rsplit('=').next().expect("a boundary").as_bytes();
        let (second, _) = form(&[], &file(boundary));
        assert_ne!(first, second);
    }
}
