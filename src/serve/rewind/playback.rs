//! Plays the past to one viewer: a task that sends what a live viewer would get, at the pace at which it is to be shown.

use super::command::{RewindCommand, ShownPicture};
use super::outgoing::{Frame, Output};
use super::outlet::{Gone, Outlet, PlaybackCommand, PlaybackOutput};
use super::past::{Next, Past};
use super::retime::{Retimer, Unplayable};
use super::run::{MediaClock, Run};
use crate::format::bmff::Snap;
use crate::media::WallTime;
use crate::serve::ws::{frames, messages};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Media is sent so much before it is to be shown, in microseconds: players show what comes as soon as it is there, as they do what is live.
const LEAD: i64 = 5_000;
/// What is so near to now is live, in microseconds.
const NOW: i64 = 500_000;
/// How often the viewer is told where it is.
const TOLD: Duration = Duration::from_secs(1);
/// How often it is looked whether there is more.
const LOOK: Duration = Duration::from_millis(20);
/// Between what was sent and what follows another command, in microseconds of media time.
const APART: i64 = 1_000_000;
/// Keyframes are shown for so long at least, in microseconds.
const KEY_SHOWN: f64 = 33_000.0;
/// A moment that is in a picture, so long after its begin, in microseconds.
const WITHIN: i64 = 1000;
/// How much farther a keyframe is looked for that was not found, in microseconds.
const MISSED: i64 = 500_000;
/// What does not fit into the channel for so long has stopped the player's time as well.
const HELD_UP: Duration = Duration::from_millis(200);

/// Obeys until the viewer goes.
pub async fn run(past: Past, mut commands: mpsc::Receiver<PlaybackCommand>, outlet: Outlet, codecs: String) {
    let mut playback = Playback { past, outlet, codecs, generation: 0, speed: 1.0, paused: false, held: WallTime(0), end: 0, run: None };
    let mut pause = Duration::MAX;
    loop {
        let order = match pause {
            Duration::ZERO => commands.try_recv().map(Some).or_else(|error| match error {
                mpsc::error::TryRecvError::Empty => Ok(None),
                mpsc::error::TryRecvError::Disconnected => Err(Gone),
            }),
            pause => match tokio::time::timeout(pause.min(TOLD), commands.recv()).await {
                Ok(order) => order.map(Some).ok_or(Gone),
                Err(_) => Ok(None),
            },
        };
        let outcome = match order {
            Ok(Some(order)) => playback.obey(order).await.map(|()| Duration::ZERO),
            Ok(None) => playback.go_on().await,
            Err(Gone) => return,
        };
        match outcome {
            Ok(next) => pause = next,
            Err(Gone) => return,
        }
    }
}

struct Playback {
    past: Past,
    outlet: Outlet,
    codecs: String,
    generation: u64,
    speed: f64,
    paused: bool,
    /// While it is paused: the moment of the picture.
    held: WallTime,
    /// Of all that was sent, in microseconds of media time.
    end: i64,
    run: Option<Run>,
}

impl Playback {
    async fn obey(&mut self, command: PlaybackCommand) -> Result<(), Gone> {
        self.generation = command.generation;
        let now = WallTime::now();
        match command.command {
            RewindCommand::Seek(time) if time.0 > now.0 - NOW && self.speed > 0.0 && self.past.is_live() => {
                self.run = None;
                self.say(PlaybackOutput::Live(None)).await?;
            }
            RewindCommand::Seek(time) => self.begin(time.min(now)).await?,
            RewindCommand::Speed(speed) => {
                let time = self.moment();
                self.speed = speed;
                self.begin(time).await?;
            }
            RewindCommand::Pause(at) => {
                self.held = self.standing(at).min(now);
                self.paused = true;
                self.hold().await?;
            }
            RewindCommand::Play => {
                self.paused = false;
                if let Some(run) = self.run.as_mut()
                    && let MediaClock::Standing(at) = run.clock
                {
                    run.clock = MediaClock::Running(Instant::now(), at);
                    self.tell(None).await?;
                }
            }
            RewindCommand::Step(steps) if steps > 0 => {
                if !self.paused {
                    (self.held, self.paused) = (self.moment(), true);
                    self.hold().await?;
                }
                self.run.iter_mut().for_each(|run| run.add_steps(steps));
            }
            RewindCommand::Step(steps) => {
                if !self.paused {
                    self.held = self.moment();
                }
                self.paused = true;
                let left = self.run.as_mut().map_or(0, |run| {
                    let (left, held) = run.take_steps(self.held);
                    self.held = held;
                    left
                });
                let back = steps.saturating_neg() - left;
                // Keyframes only is no way to the picture before.
                self.speed = if (0.0..=4.0).contains(&self.speed) { self.speed } else { 1.0 };
                let time = if back > 0 { self.before(back as usize) } else { WallTime(self.held.0 + WITHIN) };
                self.begin(time).await?;
                self.run.iter_mut().for_each(|run| run.steps = (-back).max(0));
            }
            RewindCommand::Live => {}
        }
        Ok(())
    }

    /// A moment within the picture that was so many pictures before the one that it stands at.
    fn before(&self, steps: usize) -> WallTime {
        self.run.as_ref().map_or(self.held, |run| run.sent.before(self.held, steps))
    }

    /// The picture that the player says it shows, or the last that was sent to it.
    fn standing(&self, at: Option<ShownPicture>) -> WallTime {
        let sent = self.run.as_ref().map(|run| &run.sent);
        let said = match at {
            Some(ShownPicture::Captured(time)) => Some(time),
            Some(ShownPicture::Media(media)) => sent.and_then(|sent| sent.at_media(media)),
            None => None,
        };
        said.or_else(|| sent?.last()).unwrap_or_else(|| self.moment())
    }

    /// The moment that the player shows, as far as that is known here.
    fn moment(&self) -> WallTime {
        match &self.run {
            _ if self.paused && self.run.is_some() => self.held,
            Some(Run { line: Some(line), clock, .. }) => line.wall_of(clock.now().min(self.end)),
            Some(_) => self.held,
            None => WallTime(WallTime::now().0 - NOW),
        }
    }

    /// Stands still, at a picture that was sent, or begins a run that does.
    async fn hold(&mut self) -> Result<(), Gone> {
        let held = self.held;
        let end = self.end;
        match &mut self.run {
            Some(run) => {
                let at = run.line.map_or(0, |line| line.media_of(held).min(end));
                run.clock = MediaClock::Standing(at);
                run.unsettled = true;
                Ok(())
            }
            None => self.begin(held).await,
        }
    }

    /// Plays from this moment on, at the speed that there is.
    async fn begin(&mut self, time: WallTime) -> Result<(), Gone> {
        self.run = None;
        let snap = if self.speed < 0.0 { Snap::Before } else { Snap::Covering };
        let found = self.past.seek(time, snap).await || (self.speed < 0.0 && self.past.seek(time, Snap::Covering).await);
        if !found {
            return self.say(PlaybackOutput::Failed("seek: there is nothing of that time".into())).await;
        }
        let retimer = Retimer::new(self.codecs.clone(), time, self.end + APART, self.speed);
        self.held = time;
        self.run = Some(Run::new(retimer, self.paused));
        Ok(())
    }

    /// One thing more; gives how long it can wait before the next.
    async fn go_on(&mut self) -> Result<Duration, Gone> {
        if self.run.as_ref().is_some_and(|run| run.steps > 0 && matches!(run.queue.front(), Some(Output::Frame(_)))) {
            self.step().await?;
        }
        let Some(run) = &mut self.run else { return Ok(Duration::MAX) };
        let due = match run.due(LEAD) {
            Some(due) => due,
            None if run.over && self.speed > 0.0 && !self.paused && self.past.is_live() => {
                self.run = None;
                self.say(PlaybackOutput::Live(None)).await?;
                return Ok(Duration::MAX);
            }
            None if run.over => i64::MAX,
            None => return self.more().await,
        };
        if due <= 0
            && let Some(output) = run.queue.pop_front()
        {
            self.send(output).await?;
            self.step().await?;
            return Ok(Duration::ZERO);
        }
        self.settle().await?;
        let Some(run) = &self.run else { return Ok(Duration::MAX) };
        if !self.paused && run.told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.tell(None).await?;
        }
        let wait = if self.paused { Duration::MAX } else { Duration::from_micros(u64::try_from(due).unwrap_or(u64::MAX)) };
        Ok(wait.max(Duration::from_millis(1)))
    }

    /// Gets what comes next into the queue.
    async fn more(&mut self) -> Result<Duration, Gone> {
        let Some(run) = &mut self.run else { return Ok(Duration::MAX) };
        let keys_only = run.retimer.keys_only();
        let mut out = Vec::new();
        let read = match self.past.next().await {
            Next::Key(_, seq) if run.closing => {
                run.flush();
                while let Some(output) = self.run.as_mut().and_then(|run| run.queue.pop_front()) {
                    self.send(output).await?;
                }
                self.run = None;
                self.say(PlaybackOutput::Live(Some(seq))).await?;
                return Ok(Duration::MAX);
            }
            Next::Fragment(fragment) | Next::Key(fragment, _) => run.retimer.fragment(&fragment, &mut out),
            Next::Wait { level } => return self.nothing(level).await,
        };
        run.queue.extend(out);
        match read {
            Err(Unplayable::Codecs(has)) => {
                self.run = None;
                self.say(PlaybackOutput::Failed(format!("mse: codecs not matched: {has}"))).await?;
                return Ok(Duration::MAX);
            }
            // One that is not understood is passed over.
            Err(Unplayable::Malformed) | Ok(()) => {}
        }
        if keys_only { self.next_key().await } else { Ok(Duration::ZERO) }
    }

    /// On to the next keyframe, or the one before.
    async fn next_key(&mut self) -> Result<Duration, Gone> {
        let Some(run) = &mut self.run else { return Ok(Duration::MAX) };
        let wall = run.retimer.waits_for().map_or(self.held, |(wall, _)| wall);
        // One that is not understood is not looked for again and again.
        run.missed = if run.key == Some(wall) { run.missed + 1 } else { 0 };
        run.key = Some(wall);
        let step = (self.speed.abs() * KEY_SHOWN).max(1000.0) as i64 + run.missed * MISSED;
        let found = match self.speed < 0.0 {
            true => self.past.seek(WallTime(wall.0 - step), Snap::Before).await,
            false => self.past.seek(WallTime(wall.0 + step), Snap::After).await,
        };
        if found {
            return Ok(Duration::ZERO);
        }
        run.flush();
        run.over = true;
        Ok(Duration::ZERO)
    }

    /// There is no more, for now.
    async fn nothing(&mut self, level: bool) -> Result<Duration, Gone> {
        let Some(run) = &mut self.run else { return Ok(Duration::MAX) };
        if level && self.speed > 1.0 && !run.closing && !self.paused {
            // Faster than it comes is not to be had.
            run.closing = true;
            self.speed = 1.0;
            run.retimer.set_speed(1.0);
        }
        let now = run.clock.now();
        let is_shown = run.line.is_none() || now > self.end.saturating_sub(LEAD);
        if !level && is_shown && run.retimer.holds_back() {
            run.flush();
            return Ok(Duration::ZERO);
        }
        self.settle().await?;
        self.step().await?;
        let told = self.run.as_ref().and_then(|run| run.told);
        if !self.paused && told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.tell(None).await?;
        }
        Ok(LOOK)
    }

    async fn send(&mut self, output: Output) -> Result<(), Gone> {
        let Some(run) = &mut self.run else { return Ok(()) };
        match output {
            Output::Kind(kind) => self.say(PlaybackOutput::Message(frames::text(&messages::mse(&kind)))).await,
            Output::Init(message) => self.say(PlaybackOutput::Message(message)).await,
            Output::Line(line, gap) => {
                if run.line.is_none() {
                    run.clock =
                        if self.paused { MediaClock::Standing(line.media) } else { MediaClock::Running(Instant::now(), line.media) };
                }
                run.line = Some(line);
                self.tell(gap).await
            }
            Output::Frame(Frame { message, end, shown, .. }) => {
                if let Some(shown) = shown {
                    run.sent.push(shown);
                }
                self.end = self.end.max(end);
                self.say(PlaybackOutput::Message(message)).await
            }
        }
    }

    /// Which picture it stands at, once it and the next were sent.
    async fn settle(&mut self) -> Result<(), Gone> {
        let held = self.held;
        let Some(run) = self.run.as_mut().filter(|run| self.paused && run.unsettled) else { return Ok(()) };
        let Some((wall, media)) = run.sent.at(held) else { return Ok(()) };
        run.unsettled = false;
        self.stand(wall, media).await
    }

    /// Steps on, as far as pictures were sent.
    async fn step(&mut self) -> Result<(), Gone> {
        loop {
            let held = self.held;
            let Some(run) = self.run.as_mut().filter(|run| self.paused && run.steps > 0) else { return Ok(()) };
            if run.unsettled {
                self.settle().await?;
                continue;
            }
            let Some((wall, media)) = run.next(held) else { return Ok(()) };
            run.steps -= 1;
            self.stand(wall, media).await?;
        }
    }

    async fn stand(&mut self, wall: WallTime, media: i64) -> Result<(), Gone> {
        self.held = wall;
        if let Some(run) = &mut self.run {
            run.clock = MediaClock::Standing(media);
        }
        self.position(wall, media, None).await
    }

    /// Says where the viewer is.
    async fn tell(&mut self, gap: Option<i64>) -> Result<(), Gone> {
        let Some(Run { line: Some(line), clock, told, .. }) = &mut self.run else { return Ok(()) };
        let media = if gap.is_some() { line.media } else { clock.now().min(self.end).max(line.media) };
        let wall = line.wall_of(media);
        *told = Some(Instant::now());
        self.position(wall, media, gap).await
    }

    async fn position(&mut self, wall: WallTime, media: i64, gap: Option<i64>) -> Result<(), Gone> {
        let text = messages::position(wall, media, (self.speed, self.paused), gap);
        self.say(PlaybackOutput::Message(frames::text(&text))).await
    }

    async fn say(&mut self, output: PlaybackOutput) -> Result<(), Gone> {
        let begun = Instant::now();
        self.outlet.send(self.generation, output).await?;
        let held_up = begun.elapsed();
        if let Some(Run { clock: MediaClock::Running(since, _), .. }) = &mut self.run
            && held_up > HELD_UP
        {
            *since += held_up;
        }
        Ok(())
    }
}
