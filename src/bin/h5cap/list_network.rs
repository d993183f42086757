//! The cameras of the local network, by ONVIF, for `h5cap --list --network`.

use crate::list::Part;
use crate::network::NetworkArgs;
use anyhow::Context as _;
use h5live::source::network::connection::CancelToken;
use h5live::source::onvif::discovery::{Found, discover};
use h5live::source::onvif::{Device, DeviceOptions, Profile};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Cameras have half a second to answer (WS-Discovery, section 3.1.3); slow ones get more.
const TIME: Duration = Duration::from_secs(2);
/// So many cameras are asked for their profiles at once.
const AT_ONCE: usize = 16;

/// One camera. `profiles`: `Err` says why they are not known.
struct Listed {
    found: Found,
    profiles: Result<Vec<Profile>, String>,
}

/// Finds the cameras, and asks each for its profiles.
pub fn find(args: &NetworkArgs) -> anyhow::Result<Part> {
    let options = DeviceOptions { credentials: args.credentials()?, fingerprint: args.tls_fingerprint, timeout: args.timeout };
    let found = discover(TIME).context("--network")?;
    let mut cameras = Vec::new();
    for group in found.chunks(AT_ONCE) {
        let asked = std::thread::scope(|scope| {
            let threads: Vec<_> = group.iter().map(|found| scope.spawn(|| profiles(found, &options))).collect();
            let failed = || Err("its request has failed".to_owned());
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| failed())).collect::<Vec<_>>()
        });
        cameras.extend(group.iter().zip(asked).map(|(found, profiles)| Listed { found: found.clone(), profiles }));
    }
    Ok(Part { text: text(&cameras), json: cameras.iter().map(to_json).collect() })
}

fn profiles(found: &Found, options: &DeviceOptions) -> Result<Vec<Profile>, String> {
    let mut device = Device::of(found.service.clone(), options, &CancelToken::default()).map_err(|refusal| refusal.text)?;
    let mut profiles = device.profiles().map_err(|refusal| refusal.text)?;
    for profile in &mut profiles {
        profile.uri = device.stream_uri(&profile.token).ok();
    }
    Ok(profiles)
}

fn text(cameras: &[Listed]) -> String {
    let mut text = String::new();
    if cameras.is_empty() {
        text.push_str("no cameras on the network\n");
    }
    for Listed { found, profiles } in cameras {
        let hardware = if found.hardware.is_empty() { String::new() } else { format!(", {}", found.hardware) };
        _ = writeln!(text, "{}  {}\n    at {}{hardware}", found.address(), found.name, found.service);
        match profiles {
            Ok(profiles) => {
                for profile in profiles {
                    let uri = profile.uri.as_deref().map_or(String::new(), |uri| format!("  {uri}"));
                    _ = writeln!(text, "    {}{uri}", profile.line());
                }
            }
            Err(why) => _ = writeln!(text, "    {why}"),
        }
    }
    text
}

fn to_json(Listed { found, profiles }: &Listed) -> Value {
    let mut camera =
        json!({ "address": found.address(), "name": found.name, "hardware": found.hardware, "service": found.service.as_str() });
    match profiles {
        Ok(profiles) => camera["profiles"] = profiles.iter().map(profile_json).collect(),
        Err(why) => camera["error"] = json!(why),
    }
    camera
}

fn profile_json(profile: &Profile) -> Value {
    let Profile { token, name, encoding, width, height, rate, uri } = profile;
    json!({ "token": token, "name": name, "encoding": encoding, "width": width, "height": height, "rate": rate, "uri": uri })
}
