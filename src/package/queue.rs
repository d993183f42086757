//! What waits for a store, and what of it is still wanted. Pure.

use super::file::{File, Operation, lists, named, rendition_of};
use crate::format::hls::{Name, Rendition};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write;

/// So many bytes wait for a store that does not take them; then the oldest segment is dropped.
const MOST: usize = 256 << 20;
/// So many, where who pushes can wait.
const MOST_AT_EASE: usize = 32 << 20;

/// What happens when a store is slower than the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// What has left the window is dropped: for a live stream.
    Drop,
    /// Who pushes waits: for a recording.
    Wait,
}

/// Operations in their order.
#[derive(Debug)]
pub struct Queue {
    pace: Pace,
    waiting: VecDeque<Operation>,
    bytes: usize,
    /// What the newest playlist of each rendition names.
    wanted: HashMap<Rendition, HashSet<Name>>,
    /// Segments that were dropped.
    lost: u64,
}

impl Queue {
    pub fn new(pace: Pace) -> Queue {
        Queue { pace, waiting: VecDeque::new(), bytes: 0, wanted: HashMap::new(), lost: 0 }
    }

    pub fn push(&mut self, operations: Vec<Operation>) {
        for operation in operations {
            if let Operation::Put(File { name: Name::Playlist(rendition), .. }) = &operation {
                self.wanted.insert(*rendition, named(text(&operation)).collect());
            }
            self.waiting.push_back(operation);
        }
        self.tidy();
    }

    /// It could not be done, and is to be tried again.
    pub fn push_back(&mut self, operation: Operation) {
        self.waiting.push_front(operation);
        self.tidy();
    }

    pub fn pop(&mut self) -> Option<Operation> {
        let operation = self.waiting.pop_front()?;
        self.bytes -= size(&operation);
        Some(operation)
    }

    /// Another file of this name waits.
    pub fn has(&self, name: &Name) -> bool {
        self.waiting.iter().any(|operation| matches!(operation, Operation::Put(file) if file.name == *name))
    }

    /// Who pushes is to wait.
    pub fn is_full(&self) -> bool {
        self.pace == Pace::Wait && self.bytes > MOST_AT_EASE
    }

    /// Files that wait, and their bytes.
    pub fn amount(&self) -> (usize, usize) {
        (self.waiting.iter().filter(|operation| matches!(operation, Operation::Put(_))).count(), self.bytes)
    }

    /// Segments that were dropped since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn tidy(&mut self) {
        self.drop_unwanted();
        self.drop_superseded();
        self.bytes = self.waiting.iter().map(size).sum();
        while self.pace == Pace::Drop && self.bytes > MOST {
            let is_media = |operation: &Operation| matches!(operation, Operation::Put(File { name: Name::Media(..), .. }));
            let Some(at) = self.waiting.iter().position(is_media) else { break };
            self.bytes -= self.waiting.remove(at).as_ref().map_or(0, size);
            self.lost += 1;
        }
    }

    /// Segments that the newest playlist does not name. Those that none names yet are pushed together with the one that does.
    fn drop_unwanted(&mut self) {
        let (wanted, lost) = (&self.wanted, &mut self.lost);
        self.waiting.retain(|operation| {
            let Operation::Put(File { name, .. }) = operation else { return true };
            let names = rendition_of(name).and_then(|rendition| wanted.get(&rendition));
            let keep = names.is_none_or(|names| names.contains(name));
            *lost += u64::from(!keep && matches!(name, Name::Media(..)));
            keep
        });
    }

    /// Playlists that a newer one follows with no segment between. With one between, both go out: a store that is hardly fast enough so has one.
    fn drop_superseded(&mut self) {
        let (mut newer, mut keep) = (HashSet::new(), VecDeque::with_capacity(self.waiting.len()));
        for operation in self.waiting.drain(..).rev() {
            if let Operation::Put(File { name, .. }) = &operation {
                match name {
                    Name::Playlist(_) | Name::Multivariant if !newer.insert(*name) => continue,
                    name => _ = rendition_of(name).map(|rendition| newer.remove(&Name::Playlist(rendition))),
                }
            }
            keep.push_front(operation);
        }
        self.waiting = keep;
    }
}

fn text(operation: &Operation) -> &str {
    if let Operation::Put(file) = operation { file.text() } else { "" }
}

fn size(operation: &Operation) -> usize {
    if let Operation::Put(file) = operation { file.size() } else { 0 }
}

/// What a store has of this run.
#[derive(Debug, Default)]
pub struct Inventory {
    files: HashSet<Name>,
    /// What its playlists name.
    named: HashMap<Rendition, HashSet<Name>>,
    /// To be removed as soon as no playlist names it.
    leaving: Vec<Name>,
}

impl Inventory {
    pub fn has(&self, name: &Name) -> bool {
        self.files.contains(name)
    }

    pub fn has_playlists(&self) -> bool {
        !self.named.is_empty()
    }

    /// It is a multivariant playlist that names one that is not there.
    pub fn is_early(&self, file: &File) -> bool {
        file.name == Name::Multivariant && !lists(file.text()).all(|name| self.has(&name))
    }

    /// It is a playlist whose newest segment was lost: of what comes it says nothing.
    pub fn is_stale(&self, file: &File) -> bool {
        let newest = || named(file.text()).filter(|name| matches!(name, Name::Media(..))).last();
        matches!(file.name, Name::Playlist(_)) && newest().is_some_and(|name| !self.has(&name))
    }

    /// As it may be put now: segments that the store has not are gaps.
    pub fn without_lost(&self, file: File) -> File {
        if !matches!(file.name, Name::Playlist(_)) || named(file.text()).all(|name| self.has(&name)) {
            return file;
        }
        let (mut out, mut is_gap) = (String::new(), false);
        for line in file.text().lines() {
            is_gap |= line == "#EXT-X-GAP";
            let is_segment = !line.starts_with('#');
            let lost = is_segment && !is_gap && Name::parse(line).is_some_and(|name| !self.has(&name));
            is_gap &= !is_segment;
            _ = writeln!(out, "{}{line}", if lost { "#EXT-X-GAP\n" } else { "" });
        }
        File { pieces: vec![out.into()], ..file }
    }

    /// All that there is of a rendition.
    pub fn files(&self, rendition: Rendition) -> impl Iterator<Item = Name> {
        self.files.iter().copied().filter(move |name| rendition_of(name) == Some(rendition))
    }

    /// The store has it.
    pub fn add(&mut self, file: &File) {
        self.files.insert(file.name);
        if let Name::Playlist(rendition) = file.name {
            self.named.insert(rendition, named(file.text()).collect());
        }
    }

    /// The file may go: now, or as soon as no playlist in the store names it.
    pub fn leave(&mut self, name: Name) {
        if self.has(&name) {
            self.leaving.push(name);
        }
    }

    /// The next of those that may go now. It is taken for gone.
    pub fn next_to_go(&mut self) -> Option<Name> {
        let is_named =
            |name: &Name| rendition_of(name).and_then(|rendition| self.named.get(&rendition)).is_some_and(|names| names.contains(name));
        let at = self.leaving.iter().position(|name| !is_named(name))?;
        let name = self.leaving.swap_remove(at);
        self.files.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::hls::Object;
    use bytes::Bytes;

    fn segment(after: u64) -> Name {
        Name::Media(Rendition::Video, Object { after, segment: 2000, part: None })
    }

    fn put(name: Name) -> Operation {
        Operation::Put(File::media(name, vec![Bytes::from_static(&[0; 1000])], true))
    }

    fn list(names: &[Name]) -> File {
        let lines: String = names.iter().map(|name| format!("#EXTINF:2.0,\n{name}\n")).collect();
        File::playlist(Name::Playlist(Rendition::Video), format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n{lines}"))
    }

    /// A segment, and the playlist of it and those before that are listed.
    fn step(number: u64, window: u64) -> Vec<Operation> {
        let names: Vec<_> = (number.saturating_sub(window - 1)..=number).map(segment).collect();
        vec![put(segment(number)), Operation::Put(list(&names))]
    }

    fn all(queue: &mut Queue) -> Vec<Operation> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn what_has_left_the_window_is_dropped_and_the_rest_is_in_order() {
        let mut queue = Queue::new(Pace::Drop);
        (0..10).for_each(|number| queue.push(step(number, 3)));
        assert_eq!((queue.take_lost(), queue.amount()), (7, (7, queue.bytes)));
        let order = all(&mut queue);
        // The last of the lists before the first segment that is left is still there: its newest segment is lost, by which the worker passes it over.
        let kinds: String = order
            .iter()
            .map(|operation| if matches!(operation, Operation::Put(File { name: Name::Media(..), .. })) { 's' } else { 'l' })
            .collect();
        assert_eq!((&*kinds, order.last()), ("lslslsl", step(9, 3).last()));
        assert_eq!((queue.bytes, queue.take_lost()), (0, 0));
    }

    #[test]
    fn a_file_that_is_tried_again_comes_first_as_long_as_it_is_wanted() {
        let mut queue = Queue::new(Pace::Drop);
        queue.push(step(1, 2));
        let first = queue.pop().unwrap();
        queue.push(step(2, 2));
        queue.push_back(first.clone());
        assert_eq!(queue.pop(), Some(first.clone()));
        queue.push(step(3, 2));
        queue.push_back(first);
        assert_eq!(queue.take_lost(), 1);
    }

    #[test]
    fn a_recording_waits() {
        let large = Bytes::from(vec![0; MOST_AT_EASE / 2 + 1]);
        let mut queue = Queue::new(Pace::Wait);
        for number in 0..2 {
            assert!(!queue.is_full());
            queue.push(vec![Operation::Put(File::media(segment(number), vec![large.clone()], true))]);
        }
        assert!(queue.is_full());
        queue.pop();
        assert!(!queue.is_full());
        let mut live = Queue::new(Pace::Drop);
        let most = (MOST / large.len()) as u64 + 2;
        (0..most).for_each(|number| live.push(vec![Operation::Put(File::media(segment(number), vec![large.clone()], true))]));
        assert!(!live.is_full() && live.bytes <= MOST && live.take_lost() == 2);
    }

    #[test]
    fn what_is_lost_is_a_gap() {
        let mut inventory = Inventory::default();
        let names = [1, 2, 3].map(segment);
        let before = list(&names);
        assert!(inventory.is_stale(&before));
        for name in [names[0], names[2]] {
            inventory.add(&File::media(name, vec![], true));
        }
        assert!(!inventory.is_stale(&before));
        let put = inventory.without_lost(before);
        assert_eq!(named(put.text()).collect::<Vec<_>>(), [names[0], names[2]]);
        assert_eq!(put.text().matches("#EXT-X-GAP\n").count(), 1);
        assert_eq!(inventory.without_lost(put.clone()), put, "once is enough");
        // What is named stays.
        inventory.add(&put);
        inventory.leave(names[0]);
        assert_eq!(inventory.next_to_go(), None);
        inventory.add(&list(&names[2..]));
        assert_eq!((inventory.next_to_go(), inventory.next_to_go()), (Some(names[0]), None));
    }

    #[test]
    fn the_multivariant_playlist_comes_last() {
        let mut inventory = Inventory::default();
        let text = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"audio.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n";
        let file = File::playlist(Name::Multivariant, text.into());
        for rendition in [Rendition::Audio, Rendition::Video] {
            assert!(inventory.is_early(&file));
            inventory.add(&File::playlist(Name::Playlist(rendition), String::new()));
        }
        assert!(!inventory.is_early(&file));
    }
}
