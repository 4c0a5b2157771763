//! Who takes part.

use domain::PersonId;

/// Somebody who writes.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Number of the person.
    pub number: u128,
    /// Name on the platform.
    pub name: &'static str,
    /// Phone in digits.
    pub phone: &'static str,
}

/// A member.
pub const ANA: Person = Person { number: 1, name: "Ana", phone: "385910000001" };
/// Another member.
pub const MARKO: Person = Person { number: 2, name: "Marko", phone: "385910000002" };
/// Somebody the library does not know.
pub const STRANGER: Person = Person { number: 3, name: "Sam", phone: "385919999999" };

impl Person {
    /// As the store knows them.
    pub fn id(self) -> PersonId {
        PersonId(uuid::Uuid::from_u128(self.number))
    }
}
