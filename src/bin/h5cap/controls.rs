//! The controls of a source at the control endpoint.

use anyhow::Context as _;
use h5live::cli;
use h5live::source::{ControlError, Controls};
use std::sync::Arc;

/// `GET /controls` lists; `PUT /controls` with `{"brightness": 128}` sets.
pub fn routes(endpoint: &cli::Control, controls: Arc<dyn Controls>) {
    let list = Arc::clone(&controls);
    endpoint.route("GET", "/controls", move |_| match list.list() {
        Ok(all) => cli::Reply::json(&all),
        Err(e) => refusal(&e),
    });
    endpoint.route("PUT", "/controls", move |body| match set(&*controls, body) {
        Ok(()) => cli::Reply::done(),
        Err(e) => e.downcast_ref().map_or_else(|| cli::Reply::text(400, format!("{e:#}")), refusal),
    });
}

fn set(controls: &dyn Controls, body: &[u8]) -> anyhow::Result<()> {
    let wanted: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).context("no JSON object of names and values")?;
    for (name, value) in wanted {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        controls.set(&name, &value)?;
    }
    Ok(())
}

fn refusal(error: &ControlError) -> cli::Reply {
    let status = match error {
        ControlError::Unknown(_) => 404,
        ControlError::Value { .. } => 400,
        ControlError::Io { .. } => 500,
        ControlError::Away => 503,
    };
    cli::Reply::text(status, error.to_string())
}
