//! Ids and names that are part of keys.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by the time it was made (UUID version 7).
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// A conversation; several (account, peer) keys may lead to it.
    ConversationId
);
uuid_id!(
    /// A person of one tenant.
    PersonId
);
uuid_id!(
    /// A message to send; also the message id we give to platforms that take one.
    OutboxId
);

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A tenant, account or document name of other characters or length.
    #[error("`{0}` is no name: use 1 to 64 of a-z, 0-9, `_` and `-`")]
    Characters(String),
    /// An account without its channel.
    #[error("`{0}` is no account: write `<channel>:<name>`")]
    NoChannel(String),
}

/// True for 1 to 64 of `a-z`, `0-9`, `_` and `-`: the shape of tenant, account and document names.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// A tenant's configured name; part of every key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tenant(String);

impl Tenant {
    /// # Errors
    /// [`NameError::Characters`] unless [`is_name`].
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if is_name(&name) { Ok(Self(name)) } else { Err(NameError::Characters(name)) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Tenant {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<Tenant> for String {
    fn from(tenant: Tenant) -> String {
        tenant.0
    }
}

/// A tenant's sender, bot or web origin, written `<channel>:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Account {
    channel: String,
    name: String,
}

impl Account {
    /// # Errors
    /// [`NameError::Characters`] unless both parts are names.
    pub fn new(channel: impl Into<String>, name: impl Into<String>) -> Result<Self, NameError> {
        let (channel, name) = (channel.into(), name.into());
        for part in [&channel, &name] {
            if !is_name(part) {
                return Err(NameError::Characters(part.clone()));
            }
        }
        Ok(Self { channel, name })
    }

    /// The platform: `infobip`, `web`, later `meta`, `telegram`.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.name)
    }
}

impl FromStr for Account {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (channel, name) = text.split_once(':').ok_or_else(|| NameError::NoChannel(text.to_owned()))?;
        Self::new(channel, name)
    }
}

impl TryFrom<String> for Account {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Account> for String {
    fn from(account: Account) -> String {
        account.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Tenant::new("acme-1").is_ok());
        for bad in ["", "Acme", "a b", "a/b", &"x".repeat(65)] {
            assert_eq!(Tenant::new(bad), Err(NameError::Characters(bad.to_owned())));
        }
    }

    #[test]
    fn account_text_round_trips() {
        let account: Account = "infobip:main".parse().expect("an account");
        assert_eq!((account.channel(), account.name()), ("infobip", "main"));
        assert_eq!(account.to_string(), "infobip:main");
        assert!("infobip".parse::<Account>().is_err());
    }
}
