//! Signatures of webhooks: HMAC over the raw body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};

/// Hash of the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA512.
    Sha512,
}

/// How the signature's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hex.
    Hex,
    /// Standard base64 with padding.
    Base64,
}

/// The signature of `body` under `secret`, as text.
pub(super) fn sign(algorithm: Algorithm, encoding: Encoding, secret: &[u8], body: &[u8]) -> String {
    macro_rules! mac {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(secret).expect("HMAC takes keys of any length");
            mac.update(body);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    let bytes = match algorithm {
        Algorithm::Md5 => mac!(md5::Md5),
        Algorithm::Sha1 => mac!(sha1::Sha1),
        Algorithm::Sha256 => mac!(sha2::Sha256),
        Algorithm::Sha512 => mac!(sha2::Sha512),
    };
    match encoding {
        Encoding::Hex => hex::encode(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_the_known_one() {
        // RFC 2202 and 4231, test case 2.
        let (key, data) = (b"Jefe".as_slice(), b"what do ya want for nothing?".as_slice());
        assert_eq!(sign(Algorithm::Md5, Encoding::Hex, key, data), "750c783e6ab0b503eaa86e310a5db738");
        assert_eq!(sign(Algorithm::Sha1, Encoding::Hex, key, data), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            sign(Algorithm::Sha256, Encoding::Hex, key, data),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(sign(Algorithm::Sha1, Encoding::Base64, key, data), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
    }
}
