//! Which cameras there are, and which one is meant. Device numbers change from boot to boot and with every plug: a camera is
//! known by its name, serial number and place on the bus, which sysfs tells without opening it.

use crate::source::sysfs::{read, serial_and_bus};
use std::fs;
use std::path::{Path, PathBuf};

/// Device numbers above this are not looked at.
const MAX_NODES: usize = 256;

/// A video device node and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `/dev/videoN`.
    pub path: PathBuf,
    /// The camera that it belongs to.
    pub identity: Identity,
}

/// What stays the same when a camera is plugged in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The driver's name for it, as people read it: `HD Pro Webcam C920`.
    pub name: String,
    /// USB serial number; cheap cameras have none, or all the same.
    pub serial: Option<String>,
    /// Place on the bus: `usb-0000:00:14.0-1.2` as VIDIOC_QUERYCAP says it, `platform:vivid.0` for others.
    pub bus: String,
    /// Number of the node among those of the device: 0 is the picture; 1 is often metadata, sometimes another picture.
    pub index: u32,
}

/// Which camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Selector {
    /// The first that captures pictures.
    First,
    /// A node: `/dev/video0`, or a link to one such as `/dev/v4l/by-id/…`.
    Path(PathBuf),
    /// Name (or a part of it), serial number or place on the bus.
    Text(String),
}

impl Selector {
    /// `camera`, `camera:TEXT`, `camera:/dev/…` or `/dev/video…`; `None` for anything else.
    pub fn parse(source: &str) -> Option<Selector> {
        match source.strip_prefix("camera") {
            Some("") => Some(Selector::First),
            Some(rest) => rest.strip_prefix(':').map(|text| match text.trim() {
                "" => Selector::First,
                path if path.starts_with('/') => Selector::Path(path.into()),
                text => Selector::Text(text.to_owned()),
            }),
            None => source.starts_with("/dev/video").then(|| Selector::Path(source.into())),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Selector::First => f.write_str("camera"),
            Selector::Path(path) => write!(f, "{}", path.display()),
            Selector::Text(text) => write!(f, "camera {text}"),
        }
    }
}

/// All video nodes, by number. What they can do is only known when they are opened.
pub fn nodes() -> Vec<Node> {
    nodes_in(Path::new("/sys"))
}

fn nodes_in(sys: &Path) -> Vec<Node> {
    let entries = fs::read_dir(sys.join("class/video4linux")).into_iter().flatten().flatten();
    let mut found: Vec<(u32, Node)> = entries.filter_map(|entry| node(&entry.path())).take(MAX_NODES).collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, node)| node).collect()
}

fn node(class: &Path) -> Option<(u32, Node)> {
    let file = class.file_name()?.to_str()?;
    let number = file.strip_prefix("video")?.parse().ok()?;
    let name = read(&class.join("name"))?;
    let index = read(&class.join("index")).and_then(|i| i.parse().ok()).unwrap_or(0);
    let device = fs::canonicalize(class.join("device")).ok();
    let (serial, bus) = device.as_deref().map_or((None, String::new()), serial_and_bus);
    Some((number, Node { path: Path::new("/dev").join(file), identity: Identity { name, serial, bus, index } }))
}

impl Selector {
    /// The nodes that may be meant, best first.
    pub fn matches(&self, nodes: Vec<Node>) -> Vec<Node> {
        match self {
            Selector::First => nodes,
            Selector::Path(path) => {
                let real = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                nodes.into_iter().filter(|node| node.path == real).collect()
            }
            Selector::Text(text) => {
                let exact = |node: &&Node| {
                    let id = &node.identity;
                    id.serial.as_deref() == Some(text) || id.bus == *text || id.bus.ends_with(&format!(":{text}")) || id.name == *text
                };
                let found: Vec<Node> = nodes.iter().filter(exact).cloned().collect();
                if !found.is_empty() {
                    return found;
                }
                let wanted = text.to_lowercase();
                nodes.into_iter().filter(|node| node.identity.name.to_lowercase().contains(&wanted)).collect()
            }
        }
    }
}

impl Identity {
    /// The node of this camera among those there are now. Where several have its name and serial number, it is the one in the
    /// same place; a camera without a serial number may only come back in another place if no other has its name.
    pub(super) fn find(&self, nodes: Vec<Node>) -> Option<Node> {
        let same = |node: &Node| {
            let id = &node.identity;
            id.name == self.name && id.serial == self.serial && id.index == self.index
        };
        let mut alike: Vec<Node> = nodes.into_iter().filter(same).collect();
        match alike.iter().position(|node| node.identity.bus == self.bus) {
            Some(at) => Some(alike.swap_remove(at)),
            None if alike.len() == 1 => alike.pop(),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32, name: &str, serial: Option<&str>, bus: &str) -> Node {
        let identity = Identity { name: name.into(), serial: serial.map(str::to_owned), bus: bus.into(), index: 0 };
        Node { path: format!("/dev/video{number}").into(), identity }
    }

    fn paths(nodes: &[Node]) -> Vec<&str> {
        nodes.iter().filter_map(|n| n.path.to_str()).collect()
    }

    #[test]
    fn selectors() {
        assert_eq!(Selector::parse("camera"), Some(Selector::First));
        assert_eq!(Selector::parse("camera: C920 "), Some(Selector::Text("C920".into())));
        assert_eq!(Selector::parse("/dev/video2"), Some(Selector::Path("/dev/video2".into())));
        assert_eq!(Selector::parse("camera:/dev/cam"), Some(Selector::Path("/dev/cam".into())));
        assert_eq!(Selector::parse("cameras"), None);
        assert_eq!(Selector::parse("film.mp4"), None);
        let all = || {
            vec![
                node(0, "C920", Some("A"), "usb-a-1"),
                node(1, "C920 Pro", Some("B"), "usb-a-2"),
                node(2, "vivid", None, "platform:vivid.0"),
            ]
        };
        let matching = |text: &str| paths(&Selector::Text(text.into()).matches(all())).join(" ");
        assert_eq!(matching("C920"), "/dev/video0", "the whole name before a part of it");
        assert_eq!(matching("c92"), "/dev/video0 /dev/video1");
        assert_eq!(matching("B"), "/dev/video1");
        assert_eq!(matching("usb-a-2"), "/dev/video1");
        assert_eq!(matching("vivid.0"), "/dev/video2");
        assert_eq!(matching("nothing"), "");
    }

    #[test]
    fn a_camera_is_found_again_under_another_number() {
        let was = node(0, "C920", Some("A"), "usb-a-1").identity;
        let now = vec![node(0, "C920", Some("B"), "usb-a-1"), node(1, "C920", Some("A"), "usb-a-2")];
        assert_eq!(was.find(now).map(|n| n.path), Some("/dev/video1".into()));
        assert_eq!(was.find(vec![node(0, "C920", Some("B"), "usb-a-1")]), None);
    }

    #[test]
    fn cameras_with_the_same_serial_are_told_apart_by_their_place() {
        let was = node(0, "Cheap", Some("0001"), "usb-a-1").identity;
        let other = node(0, "Cheap", Some("0001"), "usb-a-2");
        let moved = node(1, "Cheap", Some("0001"), "usb-a-3");
        assert_eq!(was.find(vec![other.clone(), node(1, "Cheap", Some("0001"), "usb-a-1")]).map(|n| n.path), Some("/dev/video1".into()));
        assert_eq!(was.find(vec![other.clone(), moved]), None, "it could be either");
        assert_eq!(was.find(vec![other.clone()]), Some(other), "plugged in elsewhere");
    }

    #[test]
    fn sysfs() {
        let sys = std::env::temp_dir().join(format!("h5live-find-{}", std::process::id()));
        let usb = sys.join("devices/pci0000:00/0000:00:14.0/usb1");
        let interface = usb.join("1-1/1-1.2/1-1.2:1.0");
        let class = sys.join("class/video4linux");
        let nodes = [("video10", "0"), ("video9", "1")];
        for dir in [interface.clone(), class.clone()].into_iter().chain(nodes.map(|(n, _)| interface.join(n))) {
            fs::create_dir_all(dir).unwrap();
        }
        for (path, text) in [("busnum", "1\n"), ("1-1/1-1.2/devpath", "1.2\n"), ("1-1/1-1.2/serial", "A1\n"), ("1-1/1-1.2/busnum", "1\n")] {
            fs::write(usb.join(path), text).unwrap();
        }
        for (node, index) in nodes {
            let dir = interface.join(node);
            fs::write(dir.join("name"), "Webcam\n").unwrap();
            fs::write(dir.join("index"), index).unwrap();
            std::os::unix::fs::symlink(&interface, dir.join("device")).unwrap();
            std::os::unix::fs::symlink(&dir, class.join(node)).unwrap();
        }
        let found = nodes_in(&sys);
        fs::remove_dir_all(&sys).unwrap();
        assert_eq!(paths(&found), ["/dev/video9", "/dev/video10"], "in the order of numbers");
        let identity = Identity { name: "Webcam".into(), serial: Some("A1".into()), bus: "usb-0000:00:14.0-1.2".into(), index: 0 };
        assert_eq!(found[1].identity, identity);
        assert_eq!(nodes_in(Path::new("/nonexistent")), []);
    }
}
