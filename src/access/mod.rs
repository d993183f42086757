//! Who may do what: users, bearer tokens, signed links, sessions, and one [`Judge`] over them.
//!
//! ```text
//!   credentials --Judge::identify--> Known(Subject) | Check(a password) | Denied(why)
//!                                      |                  | argon2, on a thread of the caller's
//!                                      |                  +--Judge::conclude--> Known | Denied
//!                                      v
//!                     Judgement::of(need) -> allowed | needs credentials | forbidden | slow down
//! ```
//!
//! Everything here is pure but for the random bytes of new secrets: texts, addresses and times are arguments. It knows no HTTP and no streams, only
//! their names. A password is checked by argon2id, which takes 19 MiB and tens of milliseconds: never in a loop that serves viewers. What was
//! checked is remembered for minutes under a keyed hash, so that a client that sends its password with each request costs one check.

mod cdn;
mod credentials;
mod judge;
mod judgement;
mod link;
mod password;
mod rights;
mod secret;
mod sessions;
mod throttle;
mod users;
mod verified;

pub use cdn::{CdnSecret, CdnSecretError};
pub use credentials::Credentials;
pub use judge::{Identity, Judge, PasswordCheck, PasswordChecked, Rules};
pub use judgement::{Denied, Ended, Judgement, Need, Now, Subject};
pub use link::{KeyError, Link, LinkError, LinkKey};
pub use password::{MAX_PASSWORD, PasswordError, PasswordMemory, hash_password};
pub use rights::{Grants, Right, RightsError};
pub use sessions::SessionId;
pub(crate) use throttle::network;
pub use users::{LineError, Secret, User, Users, UsersError};
