//! Where samples come from, read on a thread of its own so that neither a
//! slow link nor a signal to stop has to wait for the other.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use data::formats::{Clock, Recording};
use data::program::Usage;
use embedded::decode::{Decoder, Format};

use crate::arguments::Origin;
use crate::link;

/// Frames handed over at once when nothing sets a pace.
const FRAMES: usize = 4096;
/// Bytes asked for in one read.
const BYTES: usize = 16 * 1024;
/// Messages that wait for the monitor.
const QUEUE: usize = 4;
/// How long a wait for a clock or a link goes on before the stop flag is seen.
const LOOK: Duration = Duration::from_millis(50);
/// First and longest wait before a lost source is tried again.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// What the source's thread tells.
pub enum Message {
    /// Interleaved samples of the model's leads, in mV.
    Samples(Vec<f32>),
    /// So many frames are lost.
    Lost(u64),
    /// So many lines could not be read.
    Unreadable(u64),
    /// A remark for the user.
    Note(String),
    /// The source has ended, well or badly.
    End(Result<()>),
}

/// How a source is read.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it is.
    pub origin: Origin,
    /// How its bytes are read; `None` for a recording.
    pub format: Option<Format>,
    /// A recording, and the places of the leads that the model reads, in its order.
    pub recording: Option<(Recording, Vec<usize>)>,
    /// Samples per second.
    pub fs: f64,
    /// What the sample numbers of annotations count.
    pub clock: Clock,
    /// Multiple of real time at which a record or file is replayed.
    pub speed: Option<f64>,
    /// Speed of a serial device.
    pub baud: u32,
    /// Whether a lost live source is opened again.
    pub reconnect: bool,
    /// A live source silent for so long is lost.
    pub silence: Duration,
}

/// Starts reading frames of `leads` leads. The thread ends with the source,
/// when `stop` is set, or when the receiver is dropped.
pub fn start(plan: Plan, leads: usize, stop: Arc<AtomicBool>) -> Receiver<Message> {
    let (sender, receiver) = sync_channel(QUEUE);
    std::thread::spawn(move || {
        let mut source = Source {
            pace: Pace::new(&plan),
            leads,
            plan,
            sender,
            stop,
        };
        let result = source.run();
        // The receiver may be gone; then nobody waits for the result.
        let _ = source.sender.send(Message::End(result));
    });
    receiver
}

struct Source {
    plan: Plan,
    leads: usize,
    pace: Pace,
    sender: SyncSender<Message>,
    stop: Arc<AtomicBool>,
}

/// Nobody wants more: the stop flag is set or the receiver gone.
struct Stopped;

impl Source {
    fn run(&mut self) -> Result<()> {
        match self.plan.origin.clone() {
            Origin::Record(_) => self.record(),
            Origin::Stdin => {
                let stdin = std::io::stdin().lock();
                self.bytes(stdin, "standard input")
            }
            Origin::File(path) => {
                let name = path.display().to_string();
                let file = File::open(&path).with_context(|| name.clone())?;
                self.bytes(file, &name)
            }
            Origin::Serial(_) | Origin::Tcp(_) => self.live(),
        }
    }

    fn send(&self, message: Message) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        self.sender.send(message).map_err(|_| Stopped)
    }

    fn record(&mut self) -> Result<()> {
        let Some((recording, leads)) = self.plan.recording.take() else {
            return Ok(());
        };
        let mut chunks = recording.chunks(&leads)?;
        let count = self.pace.frames(self.plan.fs);
        loop {
            let mut samples = Vec::with_capacity(count * leads.len());
            if chunks.read_frames(count, &mut samples)? == 0 || self.paced(samples).is_err() {
                return Ok(());
            }
        }
    }

    fn bytes(&mut self, mut input: impl Read, name: &str) -> Result<()> {
        let mut decoder = self.decoder()?;
        let mut buffer = vec![0; BYTES];
        loop {
            let count = match input.read(&mut buffer) {
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e).with_context(|| name.to_owned()),
            };
            let mut samples = Vec::new();
            if count == 0 {
                let ended = decoder.finish(&mut samples);
                ended.map_err(|e| anyhow!("{name}: {e}"))?;
            } else {
                let decoded = decoder.push(&buffer[..count], &mut samples);
                decoded.map_err(|e| anyhow!("{name}, {e}"))?;
            }
            if let Some(other) = decoder.looks_like(count == 0) {
                bail!("{name}: by --format these samples are no signal; they look like {other}");
            }
            if count == 0 {
                let _ = self.paced(samples);
                return Ok(());
            }
            if self.paced(samples).is_err() {
                return Ok(());
            }
        }
    }

    /// Sends samples, in pieces at the pace of the replay.
    fn paced(&mut self, samples: Vec<f32>) -> Result<(), Stopped> {
        if self.plan.speed.is_none() {
            return match samples.is_empty() {
                true => Ok(()),
                false => self.send(Message::Samples(samples)),
            };
        }
        let count = self.pace.frames(self.plan.fs) * self.leads;
        for piece in samples.chunks(count) {
            let due = self.pace.due(piece.len() / self.leads);
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Stopped);
                }
                std::thread::sleep(left.min(LOOK));
            }
            self.send(Message::Samples(piece.to_vec()))?;
        }
        Ok(())
    }

    fn decoder(&self) -> Result<Decoder> {
        let format = self.plan.format.clone();
        let format = format.context("the format of the stream is not known")?;
        Decoder::new(format).map_err(|words| Usage(words).into())
    }

    /// Reads a source that can be lost. The first opening must succeed, so
    /// that a wrong name is told at once.
    fn live(&mut self) -> Result<()> {
        let mut decoder = self.decoder()?;
        let mut link = link::open(&self.plan)?;
        loop {
            let mut heard = Instant::now();
            let Err(lost) = self.read_link(&mut link, &mut decoder, &mut heard) else {
                return Ok(());
            };
            if !self.plan.reconnect {
                return match lost {
                    None => Ok(()),
                    Some(error) => Err(error),
                };
            }
            let why = lost.map_or("it was closed".into(), |e| format!("{e:#}"));
            // At once as much as makes a gap of it; the rest when it is back.
            let told = (0.2 * self.plan.fs) as u64;
            let name = self.plan.origin.to_string();
            let note = Message::Note(format!("{name} is lost ({why}); trying to open it again"));
            if self.send(Message::Lost(told)).is_err() || self.send(note).is_err() {
                return Ok(());
            }
            let Ok(again) = self.open_again() else {
                return Ok(());
            };
            link = again;
            decoder.restart();
            // The silence before it was noticed is lost too.
            let lost = (heard.elapsed().as_secs_f64() * self.plan.fs) as u64;
            let note = Message::Note(format!("{name} is back"));
            let rest = Message::Lost(lost.saturating_sub(told));
            if self.send(rest).is_err() || self.send(note).is_err() {
                return Ok(());
            }
        }
    }

    /// Reads until stopped (`Ok`) or the link is lost (`Err`; closed in good
    /// order where there is no error in it), and notes when it was last heard.
    fn read_link(
        &self,
        link: &mut link::Link,
        decoder: &mut Decoder,
        heard: &mut Instant,
    ) -> Result<(), Option<Error>> {
        let mut buffer = vec![0; BYTES];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            match link.read(&mut buffer) {
                Ok(0) => return Err(None),
                Ok(count) => {
                    *heard = Instant::now();
                    let mut samples = Vec::new();
                    let before = decoder.garbled();
                    let decoded = decoder.push(&buffer[..count], &mut samples);
                    decoded.map_err(|e| Some(e.into()))?;
                    if self.remark(decoder, before).is_err() {
                        return Ok(());
                    }
                    if !samples.is_empty() && self.send(Message::Samples(samples)).is_err() {
                        return Ok(());
                    }
                }
                Err(e) if is_quiet(&e) => {
                    if heard.elapsed() >= self.plan.silence {
                        let seconds = self.plan.silence.as_secs_f64();
                        return Err(Some(anyhow!("nothing came for {seconds} s")));
                    }
                }
                Err(e) => return Err(Some(e.into())),
            }
        }
    }

    /// Says what of a live stream cannot be read, or looks wrong.
    fn remark(&self, decoder: &mut Decoder, before: u64) -> Result<(), Stopped> {
        let name = &self.plan.origin;
        if decoder.garbled() > before {
            self.send(Message::Unreadable(decoder.garbled() - before))?;
        }
        if let Some(bad) = decoder.worth_telling() {
            self.send(Message::Note(format!(
                "{name}, {bad}; a line that cannot be read counts as missing samples"
            )))?;
        }
        match decoder.looks_like(false) {
            Some(other) => self.send(Message::Note(format!(
                "{name}: by --format these samples are no signal; they look like {other}"
            ))),
            None => Ok(()),
        }
    }

    fn open_again(&self) -> Result<link::Link, Stopped> {
        let mut wait = BACK_OFF[0];
        loop {
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Stopped);
                }
                std::thread::sleep(LOOK);
            }
            if let Ok(link) = link::open(&self.plan) {
                return Ok(link);
            }
            wait = (2 * wait).min(BACK_OFF[1]);
        }
    }
}

fn is_quiet(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The clock of a replay.
struct Pace {
    begin: Instant,
    /// Frames per second of replay; `None` is as fast as it goes.
    rate: Option<f64>,
    sent: u64,
}

impl Pace {
    fn new(plan: &Plan) -> Pace {
        Pace {
            begin: Instant::now(),
            rate: plan.speed.map(|speed| speed * plan.fs),
            sent: 0,
        }
    }

    /// Frames of one piece: a tenth of a second of replay.
    fn frames(&self, fs: f64) -> usize {
        match self.rate {
            None => FRAMES,
            Some(rate) => ((0.1 * rate.min(10.0 * fs)) as usize).clamp(1, FRAMES),
        }
    }

    /// When the last of the next frames has been sampled.
    fn due(&mut self, frames: usize) -> Instant {
        self.sent += frames as u64;
        let rate = self.rate.unwrap_or(f64::INFINITY);
        self.begin + Duration::from_secs_f64(self.sent as f64 / rate)
    }
}
