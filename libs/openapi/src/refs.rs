//! Following `$ref` inside and between the files of a document.

use serde_json::Value;
use url::Url;

use crate::read::{Files, without_fragment};

/// Longest chain of references.
const MAX_CHAIN: usize = 32;

/// A value and the file it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub file: &'a str,
    pub value: &'a Value,
}

impl<'a> At<'a> {
    /// A member of the same file.
    pub fn with(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    /// The member of this object.
    pub fn get(self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| self.with(value))
    }

    /// The text member of this object.
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.value.get(key).and_then(Value::as_str)
    }
}

/// Where a reference leads.
pub(crate) struct Target<'a> {
    pub at: At<'a>,
    /// JSON pointer, percent-decoded.
    pub pointer: String,
}

impl Files {
    /// The root document.
    pub fn root(&self) -> Option<At<'_>> {
        self.files.get_key_value(&self.root).map(|(file, value)| At { file, value })
    }

    /// Where `reference`, written in `file`, leads; `None` when nothing is there.
    pub fn target<'a>(&'a self, file: &'a str, reference: &str) -> Option<Target<'a>> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let (file, root) = if address.is_empty() {
            self.files.get_key_value(file)?
        } else {
            let url = Url::parse(file).ok()?.join(address).ok()?;
            self.files.get_key_value(&without_fragment(url))?
        };
        let pointer = percent_decode(fragment);
        let value = root.pointer(&pointer)?;
        Some(Target { at: At { file, value }, pointer })
    }

    /// Follows references until a value that is none; `Err` names the one that leads nowhere.
    pub fn deref<'a>(&'a self, at: At<'a>) -> Result<At<'a>, String> {
        let mut at = at;
        for _ in 0..MAX_CHAIN {
            let Some(reference) = at.text("$ref") else { return Ok(at) };
            at = self.target(at.file, reference).ok_or_else(|| reference.to_owned())?.at;
        }
        Err(at.text("$ref").unwrap_or_default().to_owned())
    }
}

/// `%41` -> `A`; what is not valid stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        if bytes[i] == b'%'
            && let (Some(high), Some(low)) = (hex(i + 1), hex(i + 2))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
