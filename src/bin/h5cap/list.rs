//! `h5cap --list`: the cameras and microphones there are, for people or as JSON.

use h5live::media::Rate;
use h5live::source::v4l2::{self, Control, Device, Node, Offer, Rates, Sizes};
use serde_json::{Value, json};
use std::io::{self, Write};

/// One camera. Nodes that capture no pictures (metadata) are left out.
struct Listed {
    node: Node,
    /// `Err`: why it could not be opened.
    open: Result<Opened, String>,
}

struct Opened {
    driver: String,
    offers: Vec<Offer>,
    controls: Vec<Control>,
}

/// A part of the list that others have made.
pub struct Part {
    pub text: String,
    pub json: Value,
}

/// Prints the list. `network`: the cameras of the network, where they were asked for.
pub fn list(as_json: bool, network: Option<Part>) -> anyhow::Result<()> {
    let cameras: Vec<Listed> = v4l2::nodes().into_iter().filter_map(look).collect();
    let mut out = io::stdout().lock();
    if as_json {
        let all: Vec<Value> = cameras.iter().map(to_json).collect();
        let mut list = json!({ "cameras": all, "microphones": microphones::as_json() });
        if let Some(network) = network {
            list["network"] = network.json;
        }
        writeln!(out, "{list:#}")?;
    } else {
        if cameras.is_empty() {
            writeln!(out, "no cameras")?;
        }
        cameras.iter().try_for_each(|camera| print(&mut out, camera))?;
        microphones::print(&mut out)?;
        if let Some(network) = network {
            write!(out, "{}", network.text)?;
        }
    }
    Ok(out.flush()?)
}

fn look(node: Node) -> Option<Listed> {
    let open = match Device::open(&node.path) {
        Ok(device) => Ok(Opened { offers: device.offers(|_| true), controls: device.controls(), driver: device.driver.clone() }),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(e.to_string()),
        Err(_) => return None,
    };
    Some(Listed { node, open })
}

fn print(out: &mut impl Write, Listed { node, open }: &Listed) -> io::Result<()> {
    let id = &node.identity;
    writeln!(out, "{}  {}", node.path.display(), id.name)?;
    let serial = id.serial.as_ref().map_or(String::new(), |serial| format!(", serial {serial}"));
    writeln!(out, "    at {}{serial}", id.bus)?;
    let camera = match open {
        Ok(camera) => camera,
        Err(why) => return writeln!(out, "    {why}"),
    };
    for offer in &camera.offers {
        let carried = if v4l2::codec(offer.fourcc).is_some() { "" } else { " (cannot be used)" };
        writeln!(out, "    {}  {}{carried}", offer.fourcc, offer.description)?;
        match &offer.sizes {
            Sizes::Discrete(sizes) => {
                for (width, height, rates) in sizes {
                    writeln!(out, "          {width}x{height} {}", rates_text(rates))?;
                }
            }
            Sizes::Range { width: [w0, w1, ws], height: [h0, h1, hs], rates } => {
                writeln!(out, "          {w0}x{h0} to {w1}x{h1} in steps of {ws}x{hs} {}", rates_text(rates))?;
            }
            Sizes::Unknown => {}
        }
    }
    for control in &camera.controls {
        let state = if control.inactive { ", inactive" } else { "" };
        writeln!(out, "    {} = {} [{}; default {}{state}]", control.id, control.value, control.choices(), control.default)?;
    }
    Ok(())
}

fn rates_text(rates: &Rates) -> String {
    match rates {
        Rates::Discrete(rates) => format!("at {} fps", rates.iter().map(Rate::to_string).collect::<Vec<_>>().join(", ")),
        Rates::Range(slowest, fastest) => format!("at {slowest} to {fastest} fps"),
        Rates::Unknown => String::new(),
    }
}

fn to_json(Listed { node, open }: &Listed) -> Value {
    let id = &node.identity;
    let mut camera = json!({ "node": node.path, "name": id.name, "serial": id.serial, "bus": id.bus });
    match open {
        Ok(opened) => {
            camera["driver"] = json!(opened.driver);
            camera["formats"] = opened.offers.iter().map(offer_json).collect();
            camera["controls"] = json!(opened.controls);
        }
        Err(why) => camera["error"] = json!(why),
    }
    camera
}

fn offer_json(offer: &Offer) -> Value {
    let codec = v4l2::codec(offer.fourcc).map(|codec| codec.to_string());
    let mut json = json!({ "fourcc": offer.fourcc.to_string(), "description": offer.description, "codec": codec });
    match &offer.sizes {
        Sizes::Discrete(sizes) => {
            let size = |(width, height, rates): &(u32, u32, Rates)| json!({ "width": width, "height": height, "rates": rates_json(rates) });
            json["sizes"] = sizes.iter().map(size).collect();
        }
        Sizes::Range { width, height, rates } => json["range"] = json!({ "width": width, "height": height, "rates": rates_json(rates) }),
        Sizes::Unknown => {}
    }
    json
}

fn rates_json(rates: &Rates) -> Value {
    match rates {
        Rates::Discrete(rates) => rates.iter().map(|rate| json!(rate.fps())).collect(),
        Rates::Range(slowest, fastest) => json!({ "from": slowest.fps(), "to": fastest.fps() }),
        Rates::Unknown => Value::Null,
    }
}

#[cfg(feature = "alsa")]
mod microphones {
    use h5live::source::alsa::{Microphone, microphones};
    use serde_json::{Value, json};
    use std::io::{self, Write};

    pub fn print(out: &mut impl Write) -> io::Result<()> {
        for microphone in microphones() {
            writeln!(out, "{}  {}: {}", microphone.pcm, microphone.card, microphone.device)?;
            let serial = microphone.serial.map_or(String::new(), |serial| format!(", serial {serial}"));
            writeln!(out, "    at {}{serial}", microphone.bus)?;
        }
        Ok(())
    }

    pub fn as_json() -> Vec<Value> {
        let one = |m| {
            let Microphone { pcm, card, device, serial, bus } = m;
            json!({ "pcm": pcm, "card": card, "device": device, "serial": serial, "bus": bus })
        };
        microphones().into_iter().map(one).collect()
    }
}

#[cfg(not(feature = "alsa"))]
mod microphones {
    use serde_json::Value;
    use std::io::{self, Write};

    pub fn print(_: &mut impl Write) -> io::Result<()> {
        Ok(())
    }

    pub fn as_json() -> Vec<Value> {
        Vec::new()
    }
}
