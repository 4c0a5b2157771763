//! Files of the web chat: uploaded to the gateway first, then named by a message, which says the same as on any platform.

use domain::Content;
use uuid::Uuid;

/// What an address of an upload begins with; only the gateway makes one.
const SCHEME: &str = "upload:";

/// Where the worker finds an upload.
pub fn upload_address(id: Uuid) -> String {
    format!("{SCHEME}{}", id.simple())
}

/// The upload that an address names.
pub fn upload_id(address: &str) -> Option<Uuid> {
    address.strip_prefix(SCHEME)?.parse().ok()
}

/// What a message says with an upload of this media type.
pub fn upload_content(id: Uuid, media_type: &str, caption: Option<String>) -> Content {
    let kind = media_type.split('/').next().unwrap_or_default();
    let media = if ["image", "audio", "video"].contains(&kind) { kind } else { "document" };
    Content::Media { media: media.to_owned(), url: Some(upload_address(id)), caption }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_says_what_other_platforms_say() {
        let id = Uuid::from_u128(7);
        assert_eq!(upload_id(&upload_address(id)), Some(id));
        for nonsense in ["", "upload:", "upload:x", "https://x/", "7"] {
            assert_eq!(upload_id(nonsense), None, "{nonsense}");
        }
        for (media_type, expected) in [
            ("image/png", "image"),
            ("audio/ogg", "audio"),
            ("video/mp4", "video"),
            ("application/pdf", "document"),
            ("text/plain", "document"),
        ] {
            let content = upload_content(id, media_type, Some("words".to_owned()));
            let Content::Media { media, caption, .. } = content else { panic!("{content:?}") };
            assert_eq!((media.as_str(), caption.as_deref()), (expected, Some("words")));
        }
    }
}
