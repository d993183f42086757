//! From a request to a response: the limits of a connection, the judgement of a request, the routes, the bodies, the player's files.

pub mod access;
pub mod answer;
pub mod api;
pub mod assets;
pub mod authentication;
pub mod base_path;
pub mod body;
pub mod connection;
pub mod data;
mod event_stream;
mod events;
mod forms;
pub mod forwarded;
pub mod head;
pub mod http2;
pub mod login;
pub mod login_page;
pub mod origin;
pub mod passwords;
mod publish;
pub mod rate;
pub mod redirect;
pub mod request;
pub mod router;
pub mod routes;
mod snapshot;
pub mod upgrade;
