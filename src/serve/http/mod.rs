//! From a request to a response: the limits of a connection, the checks of Host and Origin, the routes, the bodies, the player's files.

pub mod api;
pub mod assets;
pub mod body;
pub mod connection;
pub mod origin;
pub mod request;
pub mod router;
