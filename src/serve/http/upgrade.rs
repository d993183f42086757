//! What follows on a connection after a 101.

use crate::serve::publishing::socket::SocketPublisher;
use crate::serve::ws::viewer::Accepted;

/// What a WebSocket is for.
pub enum Upgrade {
    Viewer(Accepted),
    Publisher(Box<SocketPublisher>),
}
