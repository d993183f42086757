//! How many of something each of many has, up to a limit: connections of an address, viewers of a user.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places that are taken, counted. Who has none is not kept.
#[derive(Debug)]
pub struct Places<K> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    places: Arc<Places<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Places<K> {
    /// `most`: for each.
    pub fn new(most: usize) -> Arc<Places<K>> {
        Arc::new(Places { most, taken: Mutex::default() })
    }

    /// `None` if all of this one are taken.
    pub fn take(self: &Arc<Places<K>>, key: K) -> Option<Place<K>> {
        let mut taken = self.lock();
        match taken.get_mut(&key) {
            Some(count) if *count >= self.most => return None,
            Some(count) => *count += 1,
            None if self.most == 0 => return None,
            None => _ = taken.insert(key.clone(), 1),
        }
        Some(Place { places: self.clone(), key })
    }
}

impl<K> Places<K> {
    /// A poisoned lock only means that another thread died while it counted.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let places = Places::new(2);
        let held = [places.take("a"), places.take("a"), places.take("b")];
        assert!(held.iter().all(Option::is_some) && places.take("a").is_none() && Places::new(0).take("a").is_none());
        drop(held);
        assert!(places.lock().is_empty() && places.take("a").is_some());
    }
}
