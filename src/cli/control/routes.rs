//! The routes of the endpoint and the names that a request may give it.

use super::reply::Reply;
use super::token::Token;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Longest body of a request, in bytes: so much tiny_http has read before it hands a request over.
pub const MAX_BODY: usize = 1024;

type Handler = Arc<dyn Fn(&[u8]) -> Reply + Send + Sync>;

struct Route {
    method: &'static str,
    path: &'static str,
    handler: Handler,
}

/// The routes of the endpoint. Without `--control` they are kept and never asked for.
#[derive(Clone, Default)]
pub struct Control {
    routes: Arc<Mutex<Vec<Route>>>,
    /// Names that a Host may have, besides addresses and localhost.
    names: Arc<Mutex<Vec<String>>>,
    /// What who asks has to show.
    token: Arc<OnceLock<Token>>,
}

impl Control {
    /// Adds a route of the program's own; `handler` gets the body, of at most [`MAX_BODY`] bytes.
    pub fn route(&self, method: &'static str, path: &'static str, handler: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) {
        lock(&self.routes).push(Route { method, path, handler: Arc::new(handler) });
    }

    /// Lets requests name this machine so, or in any way with `*`.
    pub fn allow_hosts(&self, names: impl IntoIterator<Item = String>) {
        lock(&self.names).extend(names);
    }

    /// The answer to one request. A handler runs without any lock of ours.
    pub(super) fn reply(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        match self.handler(method, path) {
            Ok(handler) => handler(body),
            Err(reply) => reply,
        }
    }

    fn handler(&self, method: &str, path: &str) -> Result<Handler, Reply> {
        let routes = lock(&self.routes);
        let here = || routes.iter().filter(|r| r.path == path);
        if let Some(route) = here().find(|r| r.method == method) {
            return Ok(Arc::clone(&route.handler));
        }
        let names =
            |routes: &mut dyn Iterator<Item = &Route>| routes.map(|r| format!("{} {}", r.method, r.path)).collect::<Vec<_>>().join(", ");
        Err(if here().next().is_some() {
            Reply::text(405, format!("there is: {}", names(&mut here())))
        } else {
            Reply::text(404, format!("there is: {}", names(&mut routes.iter())))
        })
    }

    /// From now on who asks has to show this; the first one counts.
    pub(super) fn set_token(&self, token: Token) {
        // A second one is never set.
        _ = self.token.set(token);
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.token.get()
    }

    pub(super) fn names(&self) -> Vec<String> {
        lock(&self.names).clone()
    }
}

/// A poisoned lock only means that a thread died; what it guards is whole all the same.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
