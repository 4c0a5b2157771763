//! Header values with parameters: `Link` (RFC 8288) and `Content-Disposition` (RFC 6266, RFC 8187).

use http::HeaderValue;

use super::body::clean_name;

/// Most links read from one header; a page has a handful.
const MAX_LINKS: usize = 50;
/// Most parameters read of one value.
const MAX_PARAMETERS: usize = 30;
/// The characters 0x80..=0x9f of windows-1252, which is what the web means by ISO-8859-1; `\u{fffd}` is undefined.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}', '\u{fffd}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
];

/// The bytes as windows-1252.
pub(super) fn western(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        byte => char::from(*byte),
    };
    bytes.iter().map(one).collect()
}

/// A header as text: UTF-8 where it is, else western.
pub(super) fn header_text(value: &HeaderValue) -> String {
    String::from_utf8(value.as_bytes().to_vec()).unwrap_or_else(|_| western(value.as_bytes()))
}

/// What `Content-Disposition` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    /// It is to be kept as a file.
    pub attachment: bool,
    /// Without folders.
    pub name: Option<String>,
}

pub(super) fn disposition(text: &str) -> Disposition {
    let (kind, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let parameters = read_parameters(rest).0;
    let plain = || find(&parameters, "filename").map(str::to_owned);
    // The extended form is the exact one; the plain one beside it is for old programs.
    let name = find(&parameters, "filename*").and_then(extended).or_else(plain);
    Disposition {
        attachment: kind.trim().eq_ignore_ascii_case("attachment"),
        name: name.as_deref().and_then(clean_name),
    }
}

/// `UTF-8'en'%e2%82%ac%20rates` (RFC 8187); `None` for another charset or broken text.
fn extended(value: &str) -> Option<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = rest.get(2..)?;
    }
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(western(&bytes)),
        _ => None,
    }
}

/// The target of the first link whose relation is `next`.
pub(super) fn next_link(text: &str) -> Option<String> {
    let mut rest = text;
    for _ in 0..MAX_LINKS {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let (parameters, after) = read_parameters(after);
        // A link with another context says nothing of this page (RFC 8288, 3.2).
        let is_next = find(&parameters, "anchor").is_none()
            && find(&parameters, "rel")
                .is_some_and(|rel| rel.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next")));
        if is_next {
            return Some(target.trim().to_owned());
        }
        rest = after;
    }
    None
}

/// The first of this name counts.
fn find<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// `; name=value; name="quoted \" value"` up to a comma or the end; names in lower case.
fn read_parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let mut parameters = Vec::new();
    let mut rest = text.trim_start();
    while let Some(after) = rest.strip_prefix(';') {
        let after = after.trim_start();
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let name = after[..end].trim().to_ascii_lowercase();
        rest = &after[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            if let Some(quoted) = after.strip_prefix('"') {
                (value, rest) = read_quoted(quoted);
            } else {
                let end = after.find([';', ',']).unwrap_or(after.len());
                after[..end].trim().clone_into(&mut value);
                rest = &after[end..];
            }
        }
        // Whatever follows a quoted text up to the next delimiter is a mistake and is passed over.
        rest = &rest[rest.find([';', ',']).unwrap_or(rest.len())..];
        if !name.is_empty() && parameters.len() < MAX_PARAMETERS {
            parameters.push((name, value));
        }
    }
    (parameters, rest)
}

/// The text up to the closing quote, and what follows it.
fn read_quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_read_in_every_form_and_cleaned() {
        for (text, attachment, name) in [
            ("attachment", true, None),
            ("Attachment; filename=report.pdf", true, Some("report.pdf")),
            ("attachment; filename=\"my \\\"best\\\" report.pdf\"", true, Some("my \"best\" report.pdf")),
            ("inline; FILENAME = \"a;b,c.txt\" ; size=3", false, Some("a;b,c.txt")),
            ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", true, Some("€ rates")),
            ("attachment; filename*=UTF-8'hr'%C5%BElahtina.pdf; filename=x.pdf", true, Some("žlahtina.pdf")),
            ("attachment; filename*=iso-8859-1'en'%A3%20rates.csv", true, Some("£ rates.csv")),
            ("attachment; filename*=utf-8''%ff; filename=plain.pdf", true, Some("plain.pdf")),
            ("attachment; filename*=utf-8''%4; filename=plain.pdf", true, Some("plain.pdf")),
            ("attachment; filename*=koi8-r''x; filename=plain.pdf", true, Some("plain.pdf")),
            ("attachment; filename=\"../../etc/passwd\"", true, Some("passwd")),
            ("attachment; filename*=utf-8''..%2F..%5Cevil.exe", true, Some("evil.exe")),
            ("attachment; filename=\"..\"", true, None),
            ("attachment; filename=\"a\u{202e}fdp.exe\"", true, Some("afdp.exe")),
            ("attachment; filename=\"unfinished", true, Some("unfinished")),
            ("attachment; ; =; filename", true, None),
            ("", false, None),
        ] {
            let expected = Disposition { attachment, name: name.map(str::to_owned) };
            assert_eq!(disposition(text), expected, "{text}");
        }
        let long = format!("attachment; filename={}.pdf", "x".repeat(5_000));
        assert!(disposition(&long).name.is_some_and(|name| name.len() == 100 && name.ends_with(".pdf")));
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        for (text, expected) in [
            ("<https://a.test/x?page=2>; rel=\"next\"", Some("https://a.test/x?page=2")),
            ("</x?p=3>; rel=last, </x?p=2>; rel=next", Some("/x?p=2")),
            ("<a,b;c>; title=\"x, <y>; rel=next\"; rel=\"prev\", <d>; REL=\"up NEXT\"", Some("d")),
            ("<a>; rel=\"prev\"; rel=\"next\"", None),
            ("<a>; rel=next; anchor=\"#foo\"", None),
            ("<a>; rel=\"nextish\"", None),
            ("<a>, <b>; rel=next", Some("b")),
            ("< b > ;rel = next", Some("b")),
            ("<a; rel=next", None),
            ("rel=next", None),
            ("<>; rel=next", Some("")),
            ("", None),
        ] {
            assert_eq!(next_link(text).as_deref(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[<>;=\",\\\\ a-z*'%é]{0,60}") {
            let _ = (disposition(&text), next_link(&text));
        }
    }
}
