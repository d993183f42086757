//! A queue before a slow stage, and the rules by which it drops items: [`OverflowPolicy`] refers to them. The
//! threads and the output belong to the queues of `pipe`.

use super::OverflowPolicy;
use bytes::Bytes;
use std::collections::VecDeque;

/// An item that can wait in a queue and be dropped from it.
pub trait Droppable: Send + Sized + 'static {
    /// What the rules remember from one item to the next.
    type Rules: Default + Send;
    /// What is remembered of an item while it is being written.
    type Mark: Send;
    /// What [`Droppable::amount`] counts, in words.
    const UNIT: &'static str;

    /// Bytes that are written for it.
    fn size(&self) -> usize;

    /// Bytes of memory that it takes while it waits.
    fn cost(&self) -> usize;

    /// Frames that are lost when it is dropped.
    fn frames(&self) -> u64;

    /// See [`Waiting::writing`].
    fn mark(&self) -> Option<Self::Mark>;

    /// Whether there is no room for it.
    fn is_full(&self, rules: &Self::Rules, waiting: &Waiting<Self>) -> bool;

    /// Makes room for it where that spoils nothing, and says whether it is queued. `full`: what [`Droppable::is_full`] said.
    fn admit(&self, full: bool, rules: &mut Self::Rules, waiting: &mut Waiting<Self>) -> bool;

    /// How much waits, for an error message.
    fn amount(waiting: &Waiting<Self>) -> usize;
}

/// Items that wait, and what is known of those that are being written.
pub struct Waiting<T: Droppable> {
    items: VecDeque<T>,
    cost: usize,
    writing: Vec<T::Mark>,
    writing_cost: usize,
    /// Items are being written, which may have neither marks nor a cost.
    is_writing: bool,
    dropped: u64,
}

impl<T: Droppable> Default for Waiting<T> {
    fn default() -> Self {
        Waiting { items: VecDeque::new(), cost: 0, writing: Vec::new(), writing_cost: 0, is_writing: false, dropped: 0 }
    }
}

impl<T: Droppable> Waiting<T> {
    /// The items, the oldest first.
    pub fn items(&self) -> &VecDeque<T> {
        &self.items
    }

    /// Bytes that the items take.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Of the items that are being written.
    pub fn writing(&self) -> &[T::Mark] {
        &self.writing
    }

    /// Nothing waits, and nothing is being written.
    pub fn is_idle(&self) -> bool {
        self.items.is_empty() && !self.is_writing
    }

    /// Bytes that the items take that are being written.
    pub fn writing_cost(&self) -> usize {
        self.writing_cost
    }

    /// Frames dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn push(&mut self, item: T) {
        self.cost += item.cost();
        self.items.push_back(item);
    }

    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.cost -= item.cost();
        Some(item)
    }

    /// Takes the oldest items for writing: one, and more until `size` bytes are together. They count as being written until
    /// [`Waiting::written`].
    pub fn start_writing(&mut self, size: usize) -> Vec<T> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while (taken.is_empty() || bytes < size)
            && let Some(item) = self.pop()
        {
            bytes += item.size();
            self.writing_cost += item.cost();
            self.writing.extend(item.mark());
            taken.push(item);
        }
        self.is_writing = !taken.is_empty();
        taken
    }

    /// The items that were being written are written.
    pub fn written(&mut self) {
        self.writing.clear();
        self.writing_cost = 0;
        self.is_writing = false;
    }

    /// Drops the item at this place.
    pub fn drop_at(&mut self, at: usize) {
        if let Some(item) = self.items.remove(at) {
            self.cost -= item.cost();
            self.dropped += item.frames();
        }
    }

    /// Drops all that waits.
    pub fn drop_all(&mut self) {
        while !self.items.is_empty() {
            self.drop_at(0);
        }
    }

    /// Forgets the items that wait: the output is gone.
    pub fn clear(&mut self) {
        self.items.clear();
        self.cost = 0;
    }
}

/// A bounded queue: items that wait, and the rules that decide about the next one.
pub struct DropQueue<T: Droppable> {
    waiting: Waiting<T>,
    rules: T::Rules,
}

/// What [`DropQueue::push`] did with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits.
    Queued,
    /// It is gone, and counted.
    Dropped,
    /// There is no room, and nothing may be dropped.
    TooSlow,
}

impl<T: Droppable> Default for DropQueue<T> {
    fn default() -> Self {
        DropQueue { waiting: Waiting::default(), rules: T::Rules::default() }
    }
}

impl<T: Droppable> DropQueue<T> {
    /// Takes an item as its rules say. With [`OverflowPolicy::Exit`] nothing is dropped because of a full queue.
    pub fn push(&mut self, item: T, policy: OverflowPolicy) -> Admission {
        let full = item.is_full(&self.rules, &self.waiting);
        if full && policy == OverflowPolicy::Exit {
            return Admission::TooSlow;
        }
        if !item.admit(full, &mut self.rules, &mut self.waiting) {
            self.waiting.dropped += item.frames();
            return Admission::Dropped;
        }
        self.waiting.push(item);
        Admission::Queued
    }

    /// What the rules remember.
    pub fn rules(&self) -> &T::Rules {
        &self.rules
    }

    /// What waits.
    pub fn waiting(&self) -> &Waiting<T> {
        &self.waiting
    }

    /// What waits, to be taken.
    pub fn waiting_mut(&mut self) -> &mut Waiting<T> {
        &mut self.waiting
    }
}

/// An item whose bytes lie in several buffers, which are written one behind the other.
pub trait Vectored {
    /// The buffers, in the order in which they are written.
    fn buffers(&self) -> impl Iterator<Item = &Bytes>;
}

impl Vectored for Bytes {
    fn buffers(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(self)
    }
}
