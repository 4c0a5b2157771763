//! Does this body come from the platform? Over the raw bytes, in constant time, with up to two secrets at once.

use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Digest as _;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{BuildError, VerifyError};

/// Hash function of the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How the bytes of the HMAC are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits, all lower or all upper case.
    Hex,
    /// Standard base64 with padding.
    Base64,
}

/// A word of the configuration that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No such algorithm.
    #[error("`{0}` is no algorithm: use md5, sha1, sha224, sha256, sha384 or sha512")]
    Algorithm(String),
    /// No such encoding.
    #[error("`{0}` is no encoding: use hex or base64")]
    Encoding(String),
}

impl FromStr for Algorithm {
    type Err = NameError;

    /// `sha256`, `SHA-256`, `HMAC-SHA256`, `HmacSHA256`.
    fn from_str(name: &str) -> Result<Self, NameError> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.strip_prefix("hmac").unwrap_or(&plain) {
            "md5" => Ok(Self::Md5),
            "sha1" => Ok(Self::Sha1),
            "sha224" => Ok(Self::Sha224),
            "sha256" => Ok(Self::Sha256),
            "sha384" => Ok(Self::Sha384),
            "sha512" => Ok(Self::Sha512),
            _ => Err(NameError::Algorithm(name.to_owned())),
        }
    }
}

impl FromStr for Encoding {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            _ => Err(NameError::Encoding(name.to_owned())),
        }
    }
}

/// The HMAC of `body`, for those who sign: tests and the simulator.
pub fn sign(algorithm: Algorithm, secret: &[u8], body: &[u8]) -> Vec<u8> {
    fn mac<M: Mac + KeyInit>(secret: &[u8], body: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
        mac.update(body);
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Md5 => mac::<Hmac<md5::Md5>>(secret, body),
        Algorithm::Sha1 => mac::<Hmac<sha1::Sha1>>(secret, body),
        Algorithm::Sha224 => mac::<Hmac<sha2::Sha224>>(secret, body),
        Algorithm::Sha256 => mac::<Hmac<sha2::Sha256>>(secret, body),
        Algorithm::Sha384 => mac::<Hmac<sha2::Sha384>>(secret, body),
        Algorithm::Sha512 => mac::<Hmac<sha2::Sha512>>(secret, body),
    }
}

/// How an account's webhooks prove where they come from. Up to two secrets are valid at once, for rotation.
#[derive(Clone, Debug)]
pub enum Auth {
    /// HMAC of the raw body in a header.
    Hmac {
        /// Header that carries it; `X-Hub-Signature-256` unless configured otherwise.
        header: String,
        /// Hash function.
        algorithm: Algorithm,
        /// How the bytes are written.
        encoding: Encoding,
        /// Keys, as text.
        secrets: Vec<SecretString>,
    },
    /// HTTP Basic.
    Basic {
        /// User name.
        username: String,
        /// Valid passwords.
        passwords: Vec<SecretString>,
    },
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// Valid tokens.
        tokens: Vec<SecretString>,
    },
}

/// [`Auth`] with its header checked.
#[derive(Clone)]
pub(crate) enum Verifier {
    Hmac {
        header: HeaderName,
        algorithm: Algorithm,
        encoding: Encoding,
        secrets: Vec<SecretString>,
    },
    /// What may stand in `Authorization`: the scheme, and hashes of what may follow it.
    Authorization {
        scheme: &'static str,
        credentials: Vec<[u8; 32]>,
    },
}

impl Verifier {
    pub(crate) fn new(auth: Auth) -> Result<Self, BuildError> {
        let usable = |secrets: Vec<SecretString>| {
            secrets.into_iter().filter(|secret| !secret.expose_secret().trim().is_empty()).collect::<Vec<_>>()
        };
        Ok(match auth {
            Auth::Hmac { header, algorithm, encoding, secrets } => Self::Hmac {
                header: header.parse().map_err(|_| BuildError::Header(header))?,
                algorithm,
                encoding,
                secrets: usable(secrets),
            },
            Auth::Basic { username, passwords } => Self::Authorization {
                scheme: "Basic",
                credentials: usable(passwords)
                    .iter()
                    .map(|password| {
                        hash(STANDARD.encode(format!("{username}:{}", password.expose_secret())).as_bytes())
                    })
                    .collect(),
            },
            Auth::Bearer { tokens } => Self::Authorization {
                scheme: "Bearer",
                credentials: usable(tokens).iter().map(|token| hash(token.expose_secret().as_bytes())).collect(),
            },
        })
    }

    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), VerifyError> {
        match self {
            Self::Hmac { header, algorithm, encoding, secrets } => {
                some_secret(secrets)?;
                let given = signature(one_header(headers, header)?, *algorithm, *encoding)
                    .ok_or_else(|| VerifyError::Malformed(header.to_string()))?;
                any_equal(
                    secrets.iter().map(|secret| {
                        sign(*algorithm, secret.expose_secret().as_bytes(), body).as_slice().ct_eq(&given)
                    }),
                )
            }
            Self::Authorization { scheme, credentials } => {
                some_secret(credentials)?;
                let (given_scheme, given) = one_header(headers, &AUTHORIZATION)?
                    .split_once(' ')
                    .filter(|(given_scheme, _)| given_scheme.eq_ignore_ascii_case(scheme))
                    .ok_or_else(|| VerifyError::Malformed(AUTHORIZATION.to_string()))?;
                debug_assert!(given_scheme.eq_ignore_ascii_case(scheme));
                let given = hash(given.trim().as_bytes());
                any_equal(credentials.iter().map(|credential| credential.ct_eq(&given)))
            }
        }
    }
}

fn some_secret<T>(secrets: &[T]) -> Result<(), VerifyError> {
    if secrets.is_empty() { Err(VerifyError::NoSecret) } else { Ok(()) }
}

/// The header's only value. Two values would leave open which one was checked by whom.
pub(crate) fn one_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| VerifyError::MissingHeader(name.to_string()))?;
    if values.next().is_some() {
        return Err(VerifyError::RepeatedHeader(name.to_string()));
    }
    let value = value.to_str().map_err(|_| VerifyError::Malformed(name.to_string()))?.trim();
    if value.is_empty() { Err(VerifyError::MissingHeader(name.to_string())) } else { Ok(value) }
}

/// The bytes behind `[<ALGORITHM>=]<encoded>`; the prefix may be in any case and must name the configured algorithm.
fn signature(value: &str, algorithm: Algorithm, encoding: Encoding) -> Option<Vec<u8>> {
    let encoded = match value.split_once('=') {
        Some((prefix, encoded)) if prefix.parse() == Ok(algorithm) => encoded,
        _ => value,
    };
    match encoding {
        Encoding::Hex => {
            let mixed =
                encoded.bytes().any(|b| b.is_ascii_lowercase()) && encoded.bytes().any(|b| b.is_ascii_uppercase());
            if mixed { None } else { hex::decode(encoded).ok() }
        }
        Encoding::Base64 => STANDARD.decode(encoded).ok(),
    }
}

/// Looks at all of them, so that the time does not tell which one it was.
fn any_equal(comparisons: impl Iterator<Item = Choice>) -> Result<(), VerifyError> {
    let any = comparisons.fold(Choice::from(0), |any, equal| any | equal);
    if bool::from(any) { Ok(()) } else { Err(VerifyError::Mismatch) }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] =
        br#"{"results":[{"from":"385910000001","messageId":"m1","message":{"type":"TEXT","text":"Hello"}}]}"#;
    const ALL: [(Algorithm, &str); 6] = [
        (Algorithm::Md5, "md5"),
        (Algorithm::Sha1, "SHA1"),
        (Algorithm::Sha224, "Sha-224"),
        (Algorithm::Sha256, "sha256"),
        (Algorithm::Sha384, "SHA384"),
        (Algorithm::Sha512, "sha512"),
    ];

    fn verifier(algorithm: Algorithm, encoding: Encoding, secrets: &[&str]) -> Verifier {
        Verifier::new(Auth::Hmac {
            header: "X-Hub-Signature-256".to_owned(),
            algorithm,
            encoding,
            secrets: secrets.iter().map(|&secret| secret.into()).collect(),
        })
        .expect("a verifier")
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))])
    }

    fn signed(value: &str) -> HeaderMap {
        headers("x-hub-signature-256", value)
    }

    #[test]
    fn known_answers_of_rfc_2202_and_4231() {
        let (secret, body) = (&b"Jefe"[..], &b"what do ya want for nothing?"[..]);
        for (algorithm, expected) in [
            (Algorithm::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            assert_eq!(hex::encode(sign(algorithm, secret, body)), expected);
        }
    }

    #[test]
    fn every_algorithm_encoding_and_prefix_is_taken() {
        for (algorithm, name) in ALL {
            let mac = sign(algorithm, b"key", BODY);
            for (encoding, encoded) in [
                (Encoding::Hex, hex::encode(&mac)),
                (Encoding::Hex, hex::encode_upper(&mac)),
                (Encoding::Base64, STANDARD.encode(&mac)),
            ] {
                let verifier = verifier(algorithm, encoding, &["other", "key"]);
                for value in
                    [encoded.clone(), format!("{name}={encoded}"), format!("{}={encoded}", name.to_uppercase())]
                {
                    assert_eq!(verifier.verify(&signed(&value), BODY), Ok(()), "{value}");
                }
            }
        }
    }

    #[test]
    fn two_secrets_are_valid_at_once_and_no_third() {
        let verifier = verifier(Algorithm::Sha256, Encoding::Hex, &["old", "new"]);
        for (secret, expected) in [("old", Ok(())), ("new", Ok(())), ("none", Err(VerifyError::Mismatch))] {
            let value = hex::encode(sign(Algorithm::Sha256, secret.as_bytes(), BODY));
            assert_eq!(verifier.verify(&signed(&value), BODY), expected, "{secret}");
        }
    }

    #[test]
    fn any_flipped_bit_is_refused() {
        let verifier = verifier(Algorithm::Sha256, Encoding::Hex, &["key"]);
        let value = hex::encode(sign(Algorithm::Sha256, b"key", BODY));
        for position in 0..BODY.len() * 8 {
            let mut body = BODY.to_vec();
            body[position / 8] ^= 1 << (position % 8);
            assert_eq!(verifier.verify(&signed(&value), &body), Err(VerifyError::Mismatch), "body bit {position}");
        }
        for position in 0..value.len() * 8 {
            let mut flipped = value.clone().into_bytes();
            flipped[position / 8] ^= 1 << (position % 8);
            if let Ok(header) = HeaderValue::from_bytes(&flipped) {
                let headers = HeaderMap::from_iter([(HeaderName::from_static("x-hub-signature-256"), header)]);
                assert!(verifier.verify(&headers, BODY).is_err(), "signature bit {position}");
            }
        }
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let verifier_of = |secrets: &[&str]| verifier(Algorithm::Sha256, Encoding::Hex, secrets);
        let good = hex::encode(sign(Algorithm::Sha256, b"key", BODY));
        let header = "x-hub-signature-256".to_owned();
        for (value, expected) in [
            (String::new(), VerifyError::MissingHeader(header.clone())),
            ("sha256=".to_owned(), VerifyError::Mismatch),
            (good[..62].to_owned(), VerifyError::Mismatch),
            (format!("{good}00"), VerifyError::Mismatch),
            (format!("sha1={good}"), VerifyError::Malformed(header.clone())),
            ("not a signature".to_owned(), VerifyError::Malformed(header.clone())),
        ] {
            assert_eq!(verifier_of(&["key"]).verify(&signed(&value), BODY), Err(expected), "{value}");
        }
        assert_eq!(
            verifier_of(&["key"]).verify(&HeaderMap::new(), BODY),
            Err(VerifyError::MissingHeader(header.clone()))
        );
        let mut twice = signed(&good);
        twice.append("x-hub-signature-256", HeaderValue::from_str(&good).expect("a value"));
        assert_eq!(verifier_of(&["key"]).verify(&twice, BODY), Err(VerifyError::RepeatedHeader(header)));
        for no_secret in [&[][..], &["", "  "]] {
            assert_eq!(verifier_of(no_secret).verify(&signed(&good), BODY), Err(VerifyError::NoSecret));
        }
        let empty_key = hex::encode(sign(Algorithm::Sha256, b"", BODY));
        assert!(verifier_of(&["", "key"]).verify(&signed(&empty_key), BODY).is_err());
    }

    #[test]
    fn basic_and_bearer_are_compared_whole() {
        let basic = Verifier::new(Auth::Basic { username: "hook".into(), passwords: vec!["one".into(), "two".into()] })
            .expect("a verifier");
        let bearer = Verifier::new(Auth::Bearer { tokens: vec!["token".into()] }).expect("a verifier");
        let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (verifier, value, good) in [
            (&basic, encoded("hook:one"), true),
            (&basic, encoded("hook:two").replace("Basic", "basic"), true),
            (&basic, encoded("hook:on"), false),
            (&basic, encoded("other:one"), false),
            (&basic, "Bearer token".to_owned(), false),
            (&bearer, "Bearer token".to_owned(), true),
            (&bearer, "Bearer toke".to_owned(), false),
            (&bearer, "Bearer".to_owned(), false),
            (&bearer, "token".to_owned(), false),
        ] {
            assert_eq!(verifier.verify(&headers("authorization", &value), BODY).is_ok(), good, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_header_and_body_are_judged(value in "[ -~]{0,80}", body in prop::collection::vec(any::<u8>(), 0..40)) {
            for (algorithm, _) in ALL {
                for encoding in [Encoding::Hex, Encoding::Base64] {
                    prop_assert!(verifier(algorithm, encoding, &["key"]).verify(&signed(&value), &body).is_err());
                }
            }
        }
    }
}
