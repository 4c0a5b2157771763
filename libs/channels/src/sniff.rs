//! What a file is, from its bytes: what a platform or a person says of it is believed only where its bytes agree.

/// Containers that many kinds of document share; the declared one counts when it is one of these.
const IN_ZIP: &[&str] =
    &["application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.", "application/epub+zip"];
const IN_OLE: &[&str] = &["application/msword", "application/vnd.ms-"];
/// Texts that look like any other.
const TEXTS: &[&str] = &["text/csv", "text/markdown", "text/calendar", "text/vcard", "application/json"];

/// As many of a file's first bytes say what it is; more are not looked at.
pub const HEAD_BYTES: usize = 4096;

/// Media type in lower case, by the first bytes; `application/octet-stream` for what is not known. `declared` counts only
/// among kinds that share their first bytes.
pub fn media_type(content: &[u8], declared: Option<&str>) -> String {
    let content = content.get(..HEAD_BYTES).unwrap_or(content);
    let declared = declared.unwrap_or_default();
    let among = |known: &[&str]| known.iter().any(|start| declared.starts_with(start)).then(|| declared.to_owned());
    let named = match content {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "audio/wav",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => of_brand(brand),
        [b'O', b'g', b'g', b'S', ..] => "audio/ogg",
        [b'I', b'D', b'3', ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => "audio/mpeg",
        [0xff, 0xf1 | 0xf9, ..] => "audio/aac",
        [b'#', b'!', b'A', b'M', b'R', ..] => "audio/amr",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "video/webm",
        [b'P', b'K', 3, 4, ..] => return among(IN_ZIP).unwrap_or_else(|| "application/zip".to_owned()),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => return among(IN_OLE).unwrap_or_else(unknown),
        other if is_text(other) => return among(TEXTS).unwrap_or_else(|| "text/plain".to_owned()),
        _ => return unknown(),
    };
    named.to_owned()
}

fn unknown() -> String {
    "application/octet-stream".to_owned()
}

/// The family of MP4 tells its members by four letters.
fn of_brand(brand: &[u8]) -> &'static str {
    match brand.get(..4) {
        Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1") => "image/heic",
        Some(b"avif" | b"avis") => "image/avif",
        Some(b"M4A " | b"M4B ") => "audio/mp4",
        Some(b"qt  ") => "video/quicktime",
        Some([b'3', b'g', b'p', _]) => "video/3gpp",
        _ => "video/mp4",
    }
}

/// Words and nothing that a screen would not show.
fn is_text(content: &[u8]) -> bool {
    let text = match std::str::from_utf8(content) {
        Ok(text) => Some(text),
        // The end of the look is in the middle of a character.
        Err(cut) if cut.error_len().is_none() && content.len() == HEAD_BYTES => {
            content.get(..cut.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok())
        }
        Err(_) => None,
    };
    text.is_some_and(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_wherever_the_look_at_it_ends() {
        let long = "č".repeat(HEAD_BYTES);
        for from in [0, 1] {
            let text = format!("{}{long}", "a".repeat(from));
            assert_eq!(media_type(text.as_bytes(), None), "text/plain", "{from}");
        }
        assert_eq!(media_type(&"č".as_bytes()[..1], None), "application/octet-stream", "it ends there");
    }

    #[test]
    fn bytes_say_what_a_file_is() {
        let png = b"\x89PNG\r\n\x1a\n\0\0".as_slice();
        for (content, declared, expected) in [
            (b"\xff\xd8\xff\xe0rest".as_slice(), None, "image/jpeg"),
            (png, Some("image/jpeg"), "image/png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", None, "image/webp"),
            (b"%PDF-1.7", Some("image/png"), "application/pdf"),
            (b"\0\0\0\x18ftypheic", None, "image/heic"),
            (b"\0\0\0\x18ftypisom", None, "video/mp4"),
            (b"\0\0\0\x18ftyp", None, "video/mp4"),
            (b"PK\x03\x04", None, "application/zip"),
            (b"PK\x03\x04", Some("image/png"), "application/zip"),
            (b"PK\x03\x04", Some("application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"),
            (b"\xd0\xcf\x11\xe0", Some("application/msword"), "application/msword"),
            (b"<svg onload=\"x\"/>", Some("image/svg+xml"), "text/plain"),
            (b"<html>", Some("text/html"), "text/plain"),
            (b"a,b\r\n1,2\r\n", Some("text/csv"), "text/csv"),
            (b"a\0b", Some("text/plain"), "application/octet-stream"),
            (b"MZ\x90\0", Some("image/jpeg"), "application/octet-stream"),
            (b"\xff", Some("image/jpeg"), "application/octet-stream"),
        ] {
            assert_eq!(media_type(content, declared), expected, "{content:?} {declared:?}");
        }
    }
}
