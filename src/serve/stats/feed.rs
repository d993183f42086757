//! What happens, as it happens, for those who listen now. Nobody waits for them: of what a listener does not take, the oldest goes, and it is told how
//! much that was.

use super::viewer_event::ViewerEvent;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// So many may listen at a time.
const LISTENERS: usize = 64;
/// So much waits for one.
const WAITING: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Item {
    Viewer(Arc<ViewerEvent>),
    /// A line of the program's log.
    Log(Arc<str>),
    /// So many were lost, because they were not taken.
    Lost(u64),
}

/// Where listeners are told.
#[derive(Debug, Default)]
pub struct Feed {
    listeners: Mutex<Vec<Weak<Inbox>>>,
    count: AtomicUsize,
}

/// One who listens, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    feed: Arc<Feed>,
    inbox: Arc<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    lost: u64,
    waker: Option<Waker>,
}

impl Feed {
    /// `None`: there are too many.
    pub fn listen(self: &Arc<Feed>) -> Option<Listener> {
        let below = |n: usize| (n < LISTENERS).then_some(n + 1);
        self.count.fetch_update(Relaxed, Relaxed, below).ok()?;
        let inbox = Arc::<Inbox>::default();
        lock(&self.listeners).push(Arc::downgrade(&inbox));
        Some(Listener { feed: self.clone(), inbox })
    }

    /// Somebody is told.
    pub fn is_heard(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    pub fn tell(&self, item: &Item) {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| listener.upgrade().is_some_and(|inbox| inbox.take(item.clone())));
    }
}

impl Inbox {
    fn take(&self, item: Item) -> bool {
        let mut waiting = lock(&self.0);
        if waiting.items.len() == WAITING {
            waiting.items.pop_front();
            waiting.lost += 1;
        }
        waiting.items.push_back(item);
        waiting.waker.take().into_iter().for_each(Waker::wake);
        true
    }
}

impl Listener {
    /// What comes next.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Item> {
        let mut waiting = lock(&self.inbox.0);
        if waiting.lost > 0 {
            return Poll::Ready(Item::Lost(std::mem::take(&mut waiting.lost)));
        }
        match waiting.items.pop_front() {
            Some(item) => Poll::Ready(item),
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.feed.count.fetch_sub(1, Relaxed);
    }
}

/// A poisoned lock only means that another thread died meanwhile.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(listener: &Listener) -> Option<String> {
        match listener.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Item::Log(line)) => Some(line.to_string()),
            Poll::Ready(Item::Lost(n)) => Some(format!("lost {n}")),
            Poll::Ready(Item::Viewer(_)) => panic!(),
            Poll::Pending => None,
        }
    }

    fn log(feed: &Feed, n: usize) {
        feed.tell(&Item::Log(n.to_string().into()));
    }

    #[test]
    fn each_gets_all_since_it_listens() {
        let feed = Arc::<Feed>::default();
        assert!(!feed.is_heard());
        log(&feed, 1);
        let (a, b) = (feed.listen().unwrap(), feed.listen().unwrap());
        assert!(feed.is_heard());
        log(&feed, 2);
        log(&feed, 3);
        assert_eq!((next(&a), next(&b), next(&a), next(&a)), (Some("2".into()), Some("2".into()), Some("3".into()), None));
        drop((a, b));
        assert!(!feed.is_heard());
        log(&feed, 4);
        assert!(lock(&feed.listeners).is_empty());
    }

    #[test]
    fn one_that_takes_nothing_loses_the_oldest() {
        let feed = Arc::<Feed>::default();
        let listener = feed.listen().unwrap();
        (0..WAITING + 10).for_each(|n| log(&feed, n));
        assert_eq!((next(&listener), next(&listener)), (Some("lost 10".into()), Some("10".into())));
        let others: Vec<_> = std::iter::from_fn(|| feed.listen()).take(2 * LISTENERS).collect();
        assert_eq!(others.len(), LISTENERS - 1);
    }
}
