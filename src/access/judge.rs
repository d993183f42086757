//! The judge: knows the rules, and who asks.

use super::cdn::CdnSecret;
use super::credentials::Credentials;
use super::judgement::{Denied, Ended, Now, Subject};
use super::link::{Link, LinkKey};
use super::password::{self, PasswordMemory};
use super::rights::Right;
use super::secret::{self, Bytes32};
use super::sessions::Sessions;
use super::throttle::Throttle;
use super::users::{Secret, User, Users};
use super::verified::{self, Verified};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// By which rules is judged. Without any, everybody who can reach the server may watch.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The users, where there is a file of them.
    pub users: Option<Users>,
    /// Keys of signed links.
    pub keys: Vec<LinkKey>,
    /// Everybody may watch.
    pub public: bool,
    /// Secrets of a CDN.
    pub cdn: Vec<CdnSecret>,
    /// A service outside knows who may watch: who is not known here is not anybody.
    pub outside: bool,
}

impl Rules {
    /// Whether who shows nothing may watch.
    pub fn is_open(&self) -> bool {
        self.public || (self.users.is_none() && self.keys.is_empty() && self.cdn.is_empty() && !self.outside)
    }
}

/// Who asks; or the password that has to be checked first.
#[derive(Debug)]
pub enum Identity {
    /// It is known.
    Known(Subject),
    /// It is not.
    Denied(Denied),
    /// After [`PasswordCheck::run`], [`Judge::conclude`] knows it.
    Check(PasswordCheck),
}

/// A password that is to be compared with a hash. That takes tens of milliseconds.
pub struct PasswordCheck {
    name: String,
    password: String,
    /// `None`: there is no such user. Then it is compared with the hash of another, for the same time.
    hash: Option<String>,
    decoy: Option<String>,
    from: Option<IpAddr>,
}

impl std::fmt::Debug for PasswordCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordCheck")
    }
}

/// What came out of a [`PasswordCheck`].
#[derive(Debug)]
pub struct PasswordChecked {
    check: PasswordCheck,
    right: bool,
}

impl PasswordCheck {
    /// Compares. Not in a loop that serves viewers.
    pub fn run(self, memory: &mut PasswordMemory) -> PasswordChecked {
        let equal = self.hash.as_ref().or(self.decoy.as_ref()).is_some_and(|hash| password::verify(&self.password, hash, memory));
        PasswordChecked { right: equal && self.hash.is_some(), check: self }
    }
}

/// Knows the rules, and what is remembered of those who came: sessions, passwords that were right, tries.
#[derive(Debug)]
pub struct Judge {
    rules: RwLock<Arc<Rules>>,
    memory: Mutex<Memory>,
    /// Under which passwords are remembered; ends with the process.
    key: Bytes32,
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Memory {
    sessions: Sessions,
    verified: Verified,
    throttle: Throttle,
}

impl Judge {
    /// # Errors
    /// No random bytes.
    pub fn new(rules: Rules) -> io::Result<Judge> {
        Ok(Judge { rules: RwLock::new(Arc::new(rules)), memory: Mutex::default(), key: secret::random()?, changes: AtomicU64::new(0) })
    }

    /// Judges by these rules from now on. Sessions and passwords of users that are gone, or have another password, are no longer good.
    pub fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        self.changes.fetch_add(1, Release);
    }

    /// Another number whenever somebody who watches may have lost the right to, other than by time.
    pub fn changes(&self) -> u64 {
        self.changes.load(Acquire)
    }

    /// Whether somebody who was let in may still do this with the stream.
    ///
    /// # Errors
    /// Why not.
    pub fn still(&self, subject: &Subject, right: Right, stream: &str, now: Now) -> Result<(), Ended> {
        subject.in_time(now)?;
        let rules = self.rules();
        let holds = match subject {
            Subject::Anybody => rules.is_open(),
            Subject::User { session: Some(id), .. } if !self.memory().sessions.has(id, now.instant) => return Err(Ended::Session),
            Subject::User { name, user, .. } => {
                let now = rules.users.as_ref().and_then(|users| users.find(name));
                now.is_some_and(|now| now.secret == user.secret && now.grants.allow(right, stream))
            }
            Subject::Link(_, key) => rules.keys.contains(key),
            // It has no way in but that of answers that end, and the service outside is asked once.
            Subject::Cdn | Subject::Outside(_) => true,
        };
        if holds { Ok(()) } else { Err(Ended::Revoked) }
    }

    /// The rules now.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who shows these credentials. `from`: the address; `None` over a Unix socket.
    pub fn identify(&self, shown: Credentials<'_>, from: Option<IpAddr>, now: Now) -> Identity {
        let rules = self.rules();
        let nobody = || if rules.is_open() { Identity::Known(Subject::Anybody) } else { Identity::Denied(Denied::Missing) };
        match shown {
            Credentials::None => nobody(),
            // Where nothing is asked, nothing that is shown can be wrong: a proxy may have asked.
            _ if rules.users.is_none() && rules.keys.is_empty() && rules.cdn.is_empty() => nobody(),
            Credentials::Unreadable => Identity::Denied(Denied::Wrong),
            Credentials::Cdn(shown) if CdnSecret::is_shown(&rules.cdn, shown) => Identity::Known(Subject::Cdn),
            Credentials::Cdn(_) => Identity::Denied(Denied::Wrong),
            Credentials::Link(token) => match Link::check_with_key(token, &rules.keys, now.unix, from) {
                Ok((link, key)) => Identity::Known(Subject::Link(link, key)),
                Err(error) => Identity::Denied(Denied::Link(error)),
            },
            Credentials::Token(token) => match rules.users.as_ref().and_then(|users| users.holder(token)) {
                Some((name, user)) => Identity::Known(of_user(name, user)),
                None => Identity::Denied(Denied::Wrong),
            },
            // One that has ended is like none: the browser has only not forgotten it.
            Credentials::Session(cookie) => self.of_session(cookie, &rules, now).map_or_else(nobody, Identity::Known),
            Credentials::Password { name, password } => self.of_password(name, password, from, &rules, now),
        }
    }

    fn of_session(&self, cookie: &str, rules: &Rules, now: Now) -> Option<Subject> {
        let session = self.memory().sessions.find(cookie, now.instant)?.clone();
        let user = rules.users.as_ref()?.find(&session.name)?;
        let same = matches!(&user.secret, Secret::Password(hash) if *hash == session.hash);
        let id = Sessions::id(cookie, &session);
        same.then(|| Subject::User { name: session.name, user: user.clone(), session: Some(id) })
    }

    fn of_password(&self, name: String, password: String, from: Option<IpAddr>, rules: &Rules, now: Now) -> Identity {
        let Some(users) = &rules.users else { return Identity::Denied(Denied::Wrong) };
        // Neither can be right, and neither is worth a place in memory.
        if !Users::is_name(&name) || password.len() > password::MAX_PASSWORD {
            return Identity::Denied(Denied::Wrong);
        }
        let user = users.find(&name);
        let hash = user.and_then(|user| if let Secret::Password(hash) = &user.secret { Some(hash.clone()) } else { None });
        let mut memory = self.memory();
        // Also for a password that is remembered: who is slowed down learns of no password whether it is right.
        let wait = memory.throttle.wait(from, now.instant);
        if !wait.is_zero() {
            return Identity::Denied(Denied::SlowDown(wait));
        }
        if let (Some(user), Some(hash)) = (user, &hash)
            && memory.verified.has(&verified::place(&self.key, from, &name, &password), hash, now.instant)
        {
            return Identity::Known(of_user(&name, user));
        }
        match memory.throttle.attempt(from, &name, now.instant) {
            Err(wait) => Identity::Denied(Denied::SlowDown(wait)),
            Ok(()) => Identity::Check(PasswordCheck { name, password, hash, decoy: users.decoy().map(String::from), from }),
        }
    }

    /// Who it is whose password was checked.
    pub fn conclude(&self, checked: PasswordChecked, now: Now) -> Result<Subject, Denied> {
        let PasswordChecked { check: PasswordCheck { name, password, hash, from, .. }, right } = checked;
        let (Some(hash), true) = (hash, right) else { return Err(Denied::Wrong) };
        let mut memory = self.memory();
        memory.throttle.succeeded(from, &name);
        memory.verified.add(verified::place(&self.key, from, &name, &password), hash.clone(), now.instant);
        drop(memory);
        // The rules may have changed since.
        let rules = self.rules();
        let user = rules.users.as_ref().and_then(|users| users.find(&name)).ok_or(Denied::Wrong)?;
        if user.secret == Secret::Password(hash) { Ok(of_user(&name, user)) } else { Err(Denied::Wrong) }
    }

    /// A session for a user whose password was right just now; its cookie.
    ///
    /// # Errors
    /// No random bytes, or the user is gone.
    pub fn open_session(&self, name: &str, now: Now) -> io::Result<String> {
        let rules = self.rules();
        let user = rules.users.as_ref().and_then(|users| users.find(name)).ok_or(io::ErrorKind::NotFound)?;
        let Secret::Password(hash) = &user.secret else { return Err(io::ErrorKind::NotFound.into()) };
        self.memory().sessions.open(name, hash, now.instant)
    }

    /// Ends a session, if there is one.
    pub fn close_session(&self, cookie: &str) {
        self.memory().sessions.close(cookie);
        self.changes.fetch_add(1, Release);
    }

    /// A poisoned lock only means that another thread died while it looked.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_user(name: &str, user: &User) -> Subject {
    Subject::User { name: name.to_owned(), user: user.clone(), session: None }
}

#[cfg(test)]
mod tests {
    use super::super::judgement::{Judgement, Need};
    use super::super::link::LinkError;
    use super::super::password::tests::cheap;
    use super::super::rights::Right;
    use super::*;
    use std::time::{Duration, Instant};

    const HERE: &str = "192.0.2.1";
    const CDN: &str = "s3cret-s3cret-s3cret-s3cret-s3cret";

    /// Ann is admin, Bob sees the cams and the door, the recorder shows a token.
    struct Fixture {
        judge: Judge,
        token: String,
        keys: [LinkKey; 2],
        now: Now,
    }

    impl Fixture {
        fn new() -> Fixture {
            let (token, kept) = Secret::new_token().unwrap();
            let file = format!("ann:{}:admin\nbob:{}:cam*=view,rewind door=view\n", cheap("ann's s3cret"), cheap("bob's s3cret"));
            let file = Users::with(&file, "recorder", &kept, &"view,record".parse().unwrap());
            let keys = [LinkKey::new().unwrap(), LinkKey::new().unwrap()];
            let users = Some(Users::parse(file.as_bytes()).unwrap());
            let cdn = vec![CDN.parse().unwrap()];
            let judge = Judge::new(Rules { users, keys: vec![keys[0].clone()], cdn, ..Rules::default() }).unwrap();
            Fixture { judge, token, keys, now: Now { instant: Instant::now(), unix: 1000 } }
        }

        fn who_from(&self, shown: Credentials<'_>, from: Option<&str>) -> Result<Subject, Denied> {
            match self.judge.identify(shown, from.map(|ip| ip.parse().unwrap()), self.now) {
                Identity::Known(subject) => Ok(subject),
                Identity::Denied(why) => Err(why),
                Identity::Check(check) => self.judge.conclude(check.run(&mut PasswordMemory::default()), self.now),
            }
        }

        fn who(&self, shown: Credentials<'_>) -> Result<Subject, Denied> {
            self.who_from(shown, Some(HERE))
        }

        fn link(&self, key: usize, grants: &str, ends: u64, from: Option<&str>) -> String {
            let link = Link { grants: grants.parse().unwrap(), ends, from: from.map(|ip| ip.parse().unwrap()) };
            self.keys[key].sign(&link).unwrap()
        }

        fn change(&self, change: impl FnOnce(&mut Rules)) {
            let mut rules = (*self.judge.rules()).clone();
            change(&mut rules);
            self.judge.set_rules(rules);
        }
    }

    fn password(name: &str, password: &str) -> Credentials<'static> {
        Credentials::Password { name: name.into(), password: password.into() }
    }

    /// Every row: who, and what comes of: the list, seeing cam1, seeing the attic, rewinding the door, publishing cam1.
    #[test]
    fn who_may_do_what() {
        let fixture = Fixture::new();
        let (good, expired) = (fixture.link(0, "cam1=view", 2000, None), fixture.link(0, "cam1=view", 1000, None));
        let (elsewhere, revoked) = (fixture.link(0, "cam1=view", 2000, Some("192.0.2.2")), fixture.link(1, "cam1=view", 2000, None));
        let tampered = good.replacen("1.", "1.A", 1);
        let session = fixture.judge.open_session("bob", fixture.now).unwrap();
        let needs = [
            Need::SomeStream,
            Need::Stream(Right::View, "cam1"),
            Need::Stream(Right::View, "attic"),
            Need::Stream(Right::Rewind, "door"),
            Need::Stream(Right::Publish, "cam1"),
        ];
        let rows = [
            ("nothing", Credentials::None, [401; 5]),
            ("admin", password("ann", "ann's s3cret"), [200; 5]),
            ("user", password("bob", "bob's s3cret"), [200, 200, 403, 403, 403]),
            ("wrong password", password("bob", "ann's s3cret"), [401; 5]),
            ("unknown name", password("eve", "bob's s3cret"), [401; 5]),
            ("no name", password("", ""), [401; 5]),
            ("no password", password("bob", ""), [401; 5]),
            ("the hash itself", password("recorder", "token$"), [401; 5]),
            ("token", Credentials::Token(&fixture.token), [200, 200, 200, 403, 403]),
            ("wrong token", Credentials::Token("x"), [401; 5]),
            ("a link as a token", Credentials::Token(&good), [401; 5]),
            ("link", Credentials::Link(&good), [200, 200, 403, 403, 403]),
            ("expired link", Credentials::Link(&expired), [401; 5]),
            ("link for another address", Credentials::Link(&elsewhere), [401; 5]),
            ("link of another key", Credentials::Link(&revoked), [401; 5]),
            ("tampered link", Credentials::Link(&tampered), [401; 5]),
            ("a token as a link", Credentials::Link(&fixture.token), [401; 5]),
            ("session", Credentials::Session(&session), [200, 200, 403, 403, 403]),
            ("no session", Credentials::Session("x"), [401; 5]),
            ("unreadable", Credentials::Unreadable, [401; 5]),
            ("a CDN", Credentials::Cdn(CDN), [200, 200, 200, 403, 403]),
            ("another CDN", Credentials::Cdn("another s3cret"), [401; 5]),
        ];
        for (what, shown, wanted) in rows {
            let who = fixture.who(shown);
            let got = needs.map(|need| match Judgement::of(&who, need) {
                Judgement::Allowed => 200,
                Judgement::NeedsCredentials(_) => 401,
                Judgement::Forbidden => 403,
                Judgement::SlowDown(_) => 429,
            });
            assert_eq!(got, wanted, "{what}");
            assert_eq!(Judgement::of(&who, Need::Nothing), Judgement::Allowed, "{what}");
        }
        assert_eq!(fixture.who(Credentials::Link(&expired)), Err(Denied::Link(LinkError::Expired)), "it can be said");
    }

    #[test]
    fn without_rules_and_in_public_all_may_watch() {
        let fixture = Fixture::new();
        fixture.change(|rules| rules.public = true);
        assert_eq!(fixture.who(Credentials::None), Ok(Subject::Anybody));
        assert_eq!(fixture.who(Credentials::Session("x")), Ok(Subject::Anybody));
        assert_eq!(fixture.who(password("bob", "s3cret")), Err(Denied::Wrong), "who says a name means it");
        let publish = Need::Stream(Right::Publish, "cam1");
        assert_eq!(Judgement::of(&Ok(Subject::Anybody), publish), Judgement::NeedsCredentials(Denied::Missing));
        assert_eq!(Judgement::of(&fixture.who(password("ann", "ann's s3cret")), publish), Judgement::Allowed);
        fixture.judge.set_rules(Rules::default());
        for shown in [Credentials::None, password("bob", "s3cret"), Credentials::Token("x"), Credentials::Unreadable] {
            assert_eq!(fixture.who(shown), Ok(Subject::Anybody), "a proxy may have asked for it");
        }
    }

    #[test]
    fn an_empty_users_file_lets_nobody_in() {
        let judge = Judge::new(Rules { users: Some(Users::default()), ..Rules::default() }).unwrap();
        let now = Now::system();
        assert!(matches!(judge.identify(Credentials::None, None, now), Identity::Denied(Denied::Missing)));
        let Identity::Check(check) = judge.identify(password("ann", "s3cret"), None, now) else { panic!() };
        assert_eq!(judge.conclude(check.run(&mut PasswordMemory::default()), now), Err(Denied::Wrong));
    }

    #[test]
    fn a_right_password_is_checked_once_in_a_while() {
        let mut fixture = Fixture::new();
        let from = HERE.parse().ok();
        let checked =
            |fixture: &Fixture| matches!(fixture.judge.identify(password("bob", "bob's s3cret"), from, fixture.now), Identity::Check(_));
        assert!(checked(&fixture));
        assert!(fixture.who(password("bob", "bob's s3cret")).is_ok() && !checked(&fixture));
        fixture.now.instant += Duration::from_secs(300);
        assert!(checked(&fixture));
    }

    #[test]
    fn after_a_change_of_the_file() {
        let fixture = Fixture::new();
        assert!(fixture.who(password("bob", "bob's s3cret")).is_ok());
        let (session, link) = (fixture.judge.open_session("bob", fixture.now).unwrap(), fixture.link(0, "cam1=view", 2000, None));
        // Other rights, the same password: it is the same session.
        let hash = |text: &str| format!("bob:{}:door=view\n", cheap(text));
        fixture.change(|rules| rules.users = Some(Users::parse(hash("bob's s3cret").as_bytes()).unwrap()));
        let who = fixture.who(Credentials::Session(&session)).unwrap();
        assert!(who.may(Right::View, "door") && !who.may(Right::View, "cam1"));
        // Another password.
        fixture.change(|rules| rules.users = Some(Users::parse(hash("new s3cret").as_bytes()).unwrap()));
        assert_eq!(fixture.who(Credentials::Session(&session)), Err(Denied::Missing));
        assert_eq!(fixture.who(password("bob", "bob's s3cret")), Err(Denied::Wrong));
        assert_eq!(fixture.who(Credentials::Token(&fixture.token)), Err(Denied::Wrong), "gone with its line");
        // Another key beside the old one, then in its place.
        fixture.change(|rules| rules.keys.push(fixture.keys[1].clone()));
        assert!(fixture.who(Credentials::Link(&link)).is_ok());
        fixture.change(|rules| _ = rules.keys.remove(0));
        assert_eq!(fixture.who(Credentials::Link(&link)), Err(Denied::Link(LinkError::Wrong)));
    }

    #[test]
    fn who_watches_is_looked_at_again() {
        let mut fixture = Fixture::new();
        let cookie = fixture.judge.open_session("bob", fixture.now).unwrap();
        let link = fixture.link(0, "cam1=view", 2000, None);
        let session = fixture.who(Credentials::Session(&cookie)).unwrap();
        let bob = fixture.who(password("bob", "bob's s3cret")).unwrap();
        let program = fixture.who(Credentials::Token(&fixture.token)).unwrap();
        let link = fixture.who(Credentials::Link(&link)).unwrap();
        let still = |fixture: &Fixture, subject: &Subject| fixture.judge.still(subject, Right::View, "cam1", fixture.now);
        for subject in [&session, &bob, &program, &link] {
            assert_eq!(still(&fixture, subject), Ok(()));
            assert_eq!(subject.in_time(fixture.now), Ok(()));
        }
        // By time.
        let begun = fixture.now;
        fixture.now = Now { instant: begun.instant, unix: 2000 };
        assert_eq!((still(&fixture, &link), link.in_time(fixture.now)), (Err(Ended::Expired), Err(Ended::Expired)));
        fixture.now = Now { instant: begun.instant + Duration::from_secs(8 * 24 * 3600), unix: 1000 };
        assert_eq!((still(&fixture, &session), still(&fixture, &bob)), (Err(Ended::Session), Ok(())));
        fixture.now = begun;
        // By logging out, and by a change of the rules; each has another number of changes.
        let changes = fixture.judge.changes();
        fixture.judge.close_session(&cookie);
        assert_eq!((still(&fixture, &session), still(&fixture, &bob)), (Err(Ended::Session), Ok(())));
        assert_ne!(fixture.judge.changes(), changes);
        fixture.change(|rules| rules.keys.push(fixture.keys[1].clone()));
        assert_eq!(still(&fixture, &link), Ok(()));
        fixture.change(|rules| _ = rules.keys.remove(0));
        assert_eq!(still(&fixture, &link), Err(Ended::Revoked));
        for file in [format!("bob:{}:door=view\n", cheap("bob's s3cret")), format!("bob:{}:view\n", cheap("new s3cret")), String::new()] {
            fixture.change(|rules| rules.users = Some(Users::parse(file.as_bytes()).unwrap()));
            assert_eq!((still(&fixture, &bob), still(&fixture, &program)), (Err(Ended::Revoked), Err(Ended::Revoked)));
        }
        assert_eq!(still(&fixture, &Subject::Anybody), Err(Ended::Revoked));
        fixture.change(|rules| rules.public = true);
        assert_eq!(still(&fixture, &Subject::Anybody), Ok(()));
    }

    /// While a password is being checked, the file may change.
    #[test]
    fn a_check_that_is_overtaken() {
        let fixture = Fixture::new();
        let Identity::Check(check) = fixture.judge.identify(password("bob", "bob's s3cret"), None, fixture.now) else { panic!() };
        fixture.change(|rules| rules.users = Some(Users::default()));
        assert_eq!(fixture.judge.conclude(check.run(&mut PasswordMemory::default()), fixture.now), Err(Denied::Wrong));
    }

    #[test]
    fn tries_are_slowed_down() {
        let fixture = Fixture::new();
        let (here, there) = (Some(HERE), Some("192.0.2.9"));
        let anns = || password("ann", "ann's s3cret");
        assert!(fixture.who_from(anns(), here).is_ok() && fixture.who_from(anns(), there).is_ok());
        let session = fixture.judge.open_session("ann", fixture.now).unwrap();
        let mut tries = 0;
        while fixture.who(password("ann", "guess, s3cret")) == Err(Denied::Wrong) {
            tries += 1;
        }
        assert_eq!(tries, 10);
        // The right one is not told from the wrong ones, also where it is remembered.
        let slow = Err(Denied::SlowDown(Duration::from_secs(1)));
        assert_eq!((fixture.who(anns()), fixture.who(password("ann", "guess, s3cret"))), (slow.clone(), slow));
        assert!(fixture.who_from(anns(), there).is_ok(), "at another address");
        assert!(fixture.who(Credentials::Token(&fixture.token)).is_ok() && fixture.who(Credentials::Session(&session)).is_ok());
        // From many addresses with one name: who was let in before is let in still.
        for n in 0..20 {
            _ = fixture.who_from(password("ann", "guess, s3cret"), Some(&format!("198.51.100.{n}")));
        }
        assert!(matches!(fixture.who_from(anns(), Some("198.51.100.99")), Err(Denied::SlowDown(_))));
        assert!(fixture.who_from(anns(), there).is_ok());
        // What cannot be a name takes no place in memory.
        assert_eq!(fixture.who_from(password("b b", "s3cret"), there), Err(Denied::Wrong));
    }

    /// An unknown name is compared with a hash too.
    #[test]
    fn an_unknown_name_takes_as_long_as_a_known_one() {
        let fixture = Fixture::new();
        let Identity::Check(check) = fixture.judge.identify(password("eve", "ann's s3cret"), None, fixture.now) else { panic!() };
        assert!(check.hash.is_none() && check.decoy.as_deref().is_some_and(password::is_hash));
        assert!(!check.run(&mut PasswordMemory::default()).right, "though the decoy's password is right");
    }

    #[test]
    fn what_is_printed_shows_no_secret() {
        let fixture = Fixture::new();
        assert!(fixture.who(password("bob", "bob's s3cret")).is_ok());
        let session = fixture.judge.open_session("bob", fixture.now).unwrap();
        let printed = format!("{:?}", fixture.judge.rules());
        assert!(!printed.contains("s3cret") && !printed.contains(&fixture.keys[0].text()), "{printed}");
        assert!(!format!("{:?}", fixture.judge).contains(&session));
    }
}
