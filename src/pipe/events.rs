//! Which events a full queue drops: the oldest of raw and JPEG pictures and of audio; of coded video the rest of the group of
//! pictures. Headers and times stay, unless headers follow each other fast.

use crate::media::{Codec, Droppable, Event, Header, Kind, MAX_AUDIO_LAG, MAX_VIDEO_LAG, MAX_WAITING, Packet, Waiting};
use std::collections::BTreeSet;

/// Pictures that stand alone (raw, JPEG): so many wait, beside the one that is being written. With one less, two that come in
/// quick succession would lose one.
const MAX_PICTURES: usize = 2;

/// No more packets of a track wait, whatever their times say.
const MAX_PACKETS: usize = 512;

/// What the queue remembers to decide about the next event.
#[derive(Debug, Default)]
pub struct EventRules {
    /// The header that the next packets belong to.
    header: Option<Header>,
    /// Tracks of coded video that lost a packet, and so wait for their next keyframe.
    broken: BTreeSet<usize>,
}

impl EventRules {
    fn codec(&self, track: usize) -> Option<Codec> {
        self.header.as_ref()?.tracks.get(track).map(|track| track.codec)
    }
}

impl Droppable for Event {
    type Rules = EventRules;
    type Mark = ();
    const UNIT: &'static str = "packets";

    fn size(&self) -> usize {
        if let Event::Packet(packet) = self { packet.data.len() } else { 0 }
    }

    fn cost(&self) -> usize {
        if let Event::Packet(packet) = self { packet.cost() } else { 0 }
    }

    fn frames(&self) -> u64 {
        matches!(self, Event::Packet(_)).into()
    }

    fn mark(&self) -> Option<()> {
        None
    }

    fn is_full(&self, rules: &EventRules, waiting: &Waiting<Event>) -> bool {
        match self {
            Event::Header(_) => waiting.items().len() >= MAX_PACKETS,
            Event::Packet(packet) => rules.codec(packet.track).is_some_and(|codec| is_full(packet, codec, waiting)),
            Event::TimeZero(_) => false,
        }
    }

    fn admit(&self, full: bool, rules: &mut EventRules, waiting: &mut Waiting<Event>) -> bool {
        match self {
            Event::Header(header) => {
                // Where headers follow each other fast, what waits under the old ones goes.
                if full {
                    waiting.drop_all();
                }
                rules.header = Some(header.clone());
                rules.broken.clear();
                true
            }
            Event::Packet(packet) => admit(packet, full, rules, waiting),
            Event::TimeZero(_) => true,
        }
    }

    fn amount(waiting: &Waiting<Event>) -> usize {
        waiting.items().len()
    }
}

fn admit(packet: &Packet, mut full: bool, rules: &mut EventRules, waiting: &mut Waiting<Event>) -> bool {
    let Some(codec) = rules.codec(packet.track) else { return true };
    if codec.intra_only() {
        while full && drop_oldest(packet.track, waiting) {
            full = is_full(packet, codec, waiting);
        }
        return !full;
    }
    if full {
        rules.broken.insert(packet.track);
        return false;
    }
    if packet.key {
        rules.broken.remove(&packet.track);
    }
    !rules.broken.contains(&packet.track)
}

fn is_full(packet: &Packet, codec: Codec, waiting: &Waiting<Event>) -> bool {
    // However large a packet is, it may wait alone.
    let over = waiting.cost() > 0 && waiting.cost() + packet.cost() > MAX_WAITING;
    let mut of_track = packets(packet.track, waiting);
    let Some(oldest) = of_track.next() else { return over };
    let count = 1 + of_track.count();
    let lag = packet.pts.since(oldest.pts);
    let late = match codec.kind() {
        Kind::Audio => lag > MAX_AUDIO_LAG,
        Kind::Video if codec.intra_only() => count >= MAX_PICTURES,
        Kind::Video => lag > MAX_VIDEO_LAG,
    };
    late || over || count >= MAX_PACKETS
}

/// The packets of a track that wait, since the last header.
fn packets(track: usize, waiting: &Waiting<Event>) -> impl Iterator<Item = &Packet> {
    waiting.items().range(last_header(waiting)..).filter_map(move |event| match event {
        Event::Packet(packet) if packet.track == track => Some(packet),
        _ => None,
    })
}

fn drop_oldest(track: usize, waiting: &mut Waiting<Event>) -> bool {
    let start = last_header(waiting);
    let oldest = waiting.items().range(start..).position(|e| matches!(e, Event::Packet(p) if p.track == track));
    oldest.map(|at| waiting.drop_at(start + at)).is_some()
}

/// The place right behind the last header that waits.
fn last_header(waiting: &Waiting<Event>) -> usize {
    waiting.items().iter().rposition(|e| matches!(e, Event::Header(_))).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{DropQueue, OverflowPolicy, Timestamp};
    use crate::pipe::testing::{FRAME, header, packet};
    use bytes::Bytes;

    fn push(queue: &mut DropQueue<Event>, event: Event) {
        queue.push(event, OverflowPolicy::Drop);
    }

    fn empty(queue: &mut DropQueue<Event>) {
        while queue.waiting_mut().pop().is_some() {}
    }

    #[test]
    fn after_a_loss_coded_video_goes_on_with_a_keyframe() {
        let mut queue = DropQueue::default();
        push(&mut queue, header());
        let send = |queue: &mut DropQueue<Event>, n: i64| push(queue, packet(1, n, n % 25 == 0));
        (0..20).for_each(|n| send(&mut queue, n));
        empty(&mut queue);
        (20..30).for_each(|n| send(&mut queue, n));
        let left: Vec<_> = packets(1, queue.waiting()).map(|p| p.pts.micros() / FRAME).collect();
        assert_eq!(left, [25, 26, 27, 28, 29]);
        assert_eq!(queue.waiting().dropped(), 12);
    }

    #[test]
    fn what_is_dropped_leaves_nothing_behind() {
        let mut queue = DropQueue::default();
        push(&mut queue, header());
        (0..100_000).for_each(|n| push(&mut queue, packet(1, n, n == 0)));
        assert_eq!((queue.rules().broken.len(), queue.waiting().items().len() as u64 + queue.waiting().dropped()), (1, 100_001));
    }

    #[test]
    fn a_packet_costs_more_than_its_bytes() {
        let mut queue = DropQueue::default();
        push(&mut queue, header());
        (0..10).for_each(|n| push(&mut queue, packet(1, n, true)));
        assert_eq!(queue.waiting().cost(), 10 * (8 + crate::media::PACKET_COST));
        empty(&mut queue);
        assert_eq!(queue.waiting().cost(), 0);
    }

    #[test]
    fn many_bytes_do_not_wait_under_many_headers() {
        let mut queue = DropQueue::default();
        for n in 0..100_000 {
            push(&mut queue, header());
            push(&mut queue, packet(0, n, true));
        }
        assert!(
            queue.waiting().items().len() <= MAX_PACKETS + 2 && queue.waiting().dropped() > 99_000,
            "{} wait",
            queue.waiting().items().len()
        );
        let big = Bytes::from(vec![0; MAX_WAITING / 3]);
        for n in 0..10 {
            push(&mut queue, header());
            push(&mut queue, Event::Packet(Packet { track: 0, pts: Timestamp(n), key: true, data: big.clone(), hidden: false }));
        }
        assert!(queue.waiting().cost() <= MAX_WAITING, "{} bytes wait", queue.waiting().cost());
    }
}
