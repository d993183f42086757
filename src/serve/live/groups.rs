//! Groups: one picture in several qualities, each a stream of its own, under one name.

use super::registry::Registry;
use super::stream::{Membership, State, Stream};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// Streams in one group, at most.
const MOST: usize = 8;

/// One group: `NAME=STREAM,STREAM…`, the best quality first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Under which it is asked for.
    pub name: String,
    /// The names of its streams, the best first.
    pub members: Vec<String>,
}

/// What is no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Not of that form.
    #[error("expected NAME=STREAM,STREAM: the name of the group, and 2 to {MOST} names of streams, the best first")]
    Form,
    /// Not a name.
    #[error("{0:?} cannot be a name: use letters, digits, - and _")]
    Name(String),
    /// A stream twice.
    #[error("{0} is in it twice")]
    Twice(String),
}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Group, GroupError> {
        let (name, members) = text.split_once('=').ok_or(GroupError::Form)?;
        let members: Vec<String> = members.split(',').map(str::to_owned).collect();
        if !(2..=MOST).contains(&members.len()) {
            return Err(GroupError::Form);
        }
        if let Some(wrong) = std::iter::once(name).chain(members.iter().map(|member| &**member)).find(|name| !Registry::allows(name)) {
            return Err(GroupError::Name(wrong.into()));
        }
        match members.iter().enumerate().find(|(at, member)| members[..*at].contains(member)) {
            Some((_, twice)) => Err(GroupError::Twice(twice.clone())),
            None => Ok(Group { name: name.into(), members }),
        }
    }
}

/// The groups of a server.
#[derive(Clone, Debug, Default)]
pub struct Groups(Vec<Group>);

/// A stream, and the name by which it was asked for: its own, or that of its group. The right to see it is judged by that name.
#[derive(Clone, Debug)]
pub struct Found {
    /// The stream.
    pub stream: Arc<Stream>,
    /// Its own name or that of a group.
    pub name: String,
}

impl Deref for Found {
    type Target = Arc<Stream>;

    fn deref(&self) -> &Arc<Stream> {
        &self.stream
    }
}

impl Groups {
    /// In the order in which they are listed.
    pub fn new(groups: Vec<Group>) -> Groups {
        Groups(groups)
    }

    /// The group of this name.
    pub fn find(&self, name: &str) -> Option<&Group> {
        self.0.iter().find(|group| group.name == name)
    }

    /// The group that a stream is in.
    pub fn of(&self, stream: &str) -> Option<&Group> {
        self.0.iter().find(|group| group.members.iter().any(|member| member == stream))
    }

    /// A stream by its name, or by that of its group: `quality`, or the best that there is. One from which nothing comes is chosen only where
    /// nothing comes from any.
    pub fn stream(&self, streams: &Registry, name: &str, quality: Option<&str>) -> Option<Found> {
        let stream = match self.find(name) {
            None => streams.find(name).filter(|_| quality.is_none_or(|quality| quality == name))?,
            Some(group) => {
                let members = || group.members.iter().filter(|member| quality.is_none_or(|quality| quality == **member));
                let found = || members().filter_map(|member| streams.find(member));
                found().find(|stream| stream.state() == State::Live).or_else(|| found().next())?
            }
        };
        Some(Found { stream, name: name.into() })
    }

    /// A group, and those of its streams that there are. `None`: it is none.
    pub fn membership(&self, streams: &Registry, name: &str) -> Option<Membership> {
        let members = |group: &Group| group.members.iter().filter_map(|member| streams.find(member)).collect();
        self.find(name).map(|group| Membership { name: name.into(), members: members(group) })
    }

    /// What is listed: each stream by its name, but groups in the place of their streams.
    pub fn listed(&self, streams: &Registry) -> Vec<Found> {
        let mut listed: Vec<Found> = Vec::new();
        for stream in streams.streams() {
            match self.of(&stream.name) {
                None => listed.push(Found { name: stream.name.clone(), stream }),
                Some(group) if listed.iter().all(|found| found.name != group.name) => {
                    listed.extend(self.stream(streams, &group.name, None));
                }
                Some(_) => {}
            }
        }
        listed
    }

    /// What there is, if it is exactly one.
    pub fn only(&self, streams: &Registry) -> Option<Found> {
        if self.0.is_empty() {
            return streams.only().map(|stream| Found { name: stream.name.clone(), stream });
        }
        let mut listed = self.listed(streams);
        listed.pop().filter(|_| listed.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_as_text() {
        let group: Group = "cam=cam-hd,cam-sd".parse().unwrap();
        assert_eq!((&*group.name, group.members), ("cam", vec!["cam-hd".to_owned(), "cam-sd".into()]));
        for form in ["", "cam", "cam=", "cam=a", "cam=a,b,c,d,e,f,g,h,i"] {
            assert_eq!(form.parse::<Group>(), Err(GroupError::Form), "{form}");
        }
        for (text, wrong) in [("api=a,b", "api"), ("=a,b", ""), ("cam=a,", ""), ("cam=a,b/c", "b/c")] {
            assert_eq!(text.parse::<Group>(), Err(GroupError::Name(wrong.into())), "{text}");
        }
        assert_eq!("cam=a,b,a".parse::<Group>(), Err(GroupError::Twice("a".into())));
    }

    #[test]
    fn the_best_that_is_there() {
        let registry = Registry::new(9, 1 << 20, vec![]);
        let groups = Groups::new(vec!["cam=hd,sd".parse().unwrap()]);
        let name = |quality: Option<&str>| groups.stream(&registry, "cam", quality).map(|found| found.stream.name.clone());
        assert_eq!(name(None), None);
        let [sd, hd, _door] = ["sd", "hd", "door"].map(|name| registry.add(name).unwrap());
        assert_eq!(name(None).as_deref(), Some("hd"), "nothing comes from any");
        sd.set_state(State::Live);
        assert_eq!(name(None).as_deref(), Some("sd"));
        hd.set_state(State::Live);
        assert_eq!(name(None).as_deref(), Some("hd"));
        assert_eq!((name(Some("sd")).as_deref(), name(Some("door"))), (Some("sd"), None), "another is not in it");
        let own = |name, quality| groups.stream(&registry, name, quality).map(|found| found.name);
        assert_eq!(
            (own("door", None).as_deref(), own("door", Some("door")).as_deref(), own("door", Some("hd"))),
            (Some("door"), Some("door"), None)
        );
    }

    #[test]
    fn a_group_is_listed_in_the_place_of_its_streams() {
        let registry = Registry::new(9, 1 << 20, vec![]);
        let groups = Groups::new(vec!["cam=hd,sd".parse().unwrap()]);
        let names = || groups.listed(&registry).into_iter().map(|found| found.name).collect::<Vec<_>>();
        let [_hd, _sd] = ["hd", "sd"].map(|name| registry.add(name).unwrap());
        assert_eq!((names(), groups.only(&registry).map(|found| found.name).as_deref()), (vec!["cam".to_owned()], Some("cam")));
        let _door = registry.add("door").unwrap();
        assert_eq!((names(), groups.only(&registry).is_none()), (vec!["cam".to_owned(), "door".into()], true));
    }
}
