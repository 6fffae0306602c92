//! RTSP servers for tests. `Server` is a real one with any encoder and any pictures; `Liar` answers as it is told; `Wire` lies
//! between a camera and us and can swallow everything without a word, as a network does that has a hole.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server as rtsp;
use rtsp::prelude::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub const SIZE: (usize, usize) = (320, 240);
pub const FPS: u64 = 10;

/// With a quantiser at rest: a rate control that goes on refining makes a frozen sensor's pictures differ for a while.
pub const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 pass=quant quantizer=26 ! \
    rtph264pay name=pay0 pt=96 config-interval=-1";
pub const H265: &str = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=1000 ! \
    rtph265pay name=pay0 pt=96 config-interval=-1";
pub const MJPEG: &str = "jpegenc quality=85 ! rtpjpegpay name=pay0 pt=26";

/// The `n`-th picture, I420 of [`SIZE`]; `None` sends nothing.
pub type Pictures = Arc<dyn Fn(usize) -> Option<Vec<u8>> + Send + Sync>;

pub struct Server {
    port: u16,
    running: glib::MainLoop,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    pub fn start(encoder: &str, pictures: Pictures) -> Server {
        Server::start_on(0, encoder, pictures, None)
    }

    /// `login`: whom it lets in, and nobody else.
    pub fn start_on(port: u16, encoder: &str, pictures: Pictures, login: Option<(&str, &str)>) -> Server {
        gst::init().unwrap();
        let (width, height) = SIZE;
        let launch = format!(
            "( appsrc name=eye is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream \
             caps=video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1 ! {encoder} )"
        );
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let context = glib::MainContext::new();
        let running = glib::MainLoop::new(Some(&context), false);
        let entrance: Arc<Mutex<Option<AppSrc>>> = Arc::default();
        let (tell, told) = sync_channel(1);
        let serving = {
            let (running, entrance) = (running.clone(), entrance.clone());
            thread::spawn(move || {
                let serve = || {
                    let server = rtsp::RTSPServer::new();
                    server.set_address("127.0.0.1");
                    server.set_service(&port.to_string());
                    let factory = rtsp::RTSPMediaFactory::new();
                    factory.set_shared(true);
                    factory.set_launch(&launch);
                    if let Some((user, password)) = &login {
                        let auth = rtsp::RTSPAuth::new();
                        let token = rtsp::RTSPToken::builder().field("media.factory.role", "viewer").build();
                        auth.add_basic(&rtsp::RTSPAuth::make_basic(user, password), &token);
                        server.set_auth(Some(&auth));
                        let role = gst::Structure::builder("viewer")
                            .field("media.factory.access", true)
                            .field("media.factory.construct", true);
                        factory.add_role_from_structure(&role.build());
                    }
                    factory.connect_media_configure(move |_, media| {
                        let source = media.element().downcast::<gst::Bin>().ok().and_then(|bin| bin.by_name("eye"));
                        *entrance.lock().unwrap() = source.and_then(|source| source.downcast::<AppSrc>().ok());
                    });
                    server.mount_points().unwrap().add_factory("/eye", factory);
                    let source = server.attach(Some(&context)).expect("a free port");
                    let port = server.bound_port() as u16;
                    let once = move || {
                        let _ = tell.send(port);
                        glib::ControlFlow::Break
                    };
                    glib::idle_source_new(None, glib::Priority::DEFAULT, once).attach(Some(&context));
                    running.run();
                    if let Some(source) = context.find_source_by_id(&source) {
                        source.destroy();
                    }
                    server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
                };
                context.with_thread_default(serve).unwrap();
            })
        };
        let port = told.recv().expect("the server starts");
        let stop = Arc::new(AtomicBool::new(false));
        let painting = {
            let stop = stop.clone();
            thread::spawn(move || {
                let began = Instant::now();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let source = entrance.lock().unwrap().clone();
                    if let (Some(source), Some(picture)) = (source, pictures(n)) {
                        // Nobody watches any more: the next who does brings a new entrance.
                        let _ = source.push_buffer(gst::Buffer::from_slice(picture));
                    }
                    let next = began + Duration::from_millis((n as u64 + 1) * 1_000 / FPS);
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            })
        };
        Server { port, running, stop, threads: vec![serving, painting] }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/eye", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.quit();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A grey floor with a bright square at `x`, and a sensor's noise of `noise` levels either way, other noise for every `n`.
pub fn picture(n: usize, x: usize, noise: i32) -> Vec<u8> {
    let (width, height) = SIZE;
    let mut state = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut picture = Vec::with_capacity(width * height * 3 / 2);
    for at in 0..width * height {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let inside = (at % width).wrapping_sub(x) < 40 && (100..140).contains(&(at / width));
        let level = if inside { 200 } else { 90 };
        picture.push((level + ((state >> 33) as i32).rem_euclid(2 * noise + 1) - noise) as u8);
    }
    picture.resize(width * height * 3 / 2, 128);
    picture
}

/// What a [`Liar`] answers a DESCRIBE with.
#[derive(Clone)]
pub enum Lie {
    Status(&'static str),
    /// A description, and once it plays, packets of garbage.
    Sdp(&'static str),
    /// No RTSP at all.
    Http,
}

/// Serves one lie to whoever comes, until it is dropped.
pub struct Liar {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    pub fn start(lie: Lie) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = stop.clone();
            thread::spawn(move || {
                let mut guests = Vec::new();
                for guest in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (lie, stop) = (lie.clone(), stop.clone());
                    let Ok(guest) = guest else { continue };
                    guests.push(thread::spawn(move || {
                        // A guest that hangs up ends its own conversation.
                        let _ = converse(guest, &lie, &stop);
                    }));
                }
                guests.into_iter().for_each(|guest| drop(guest.join()));
            })
        };
        Liar { port, stop, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn converse(guest: TcpStream, lie: &Lie, stop: &AtomicBool) -> std::io::Result<()> {
    guest.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (mut speak, mut hear) = (guest.try_clone()?, BufReader::new(guest));
    let mut playing = false;
    let mut sequence = 0u16;
    let (mut request, mut line) = (Vec::<String>::new(), String::new());
    while !stop.load(Ordering::Relaxed) {
        match hear.read_line(&mut line) {
            Ok(0) => return Ok(()),
            Ok(_) if !line.trim().is_empty() => request.push(std::mem::take(&mut line)),
            Ok(_) => {
                line.clear();
                let asked = std::mem::take(&mut request);
                let Some(first) = asked.first() else { continue };
                let number =
                    asked.iter().find(|line| line.to_lowercase().starts_with("cseq")).cloned().unwrap_or_default();
                let (status, rest) = answer(first.split(' ').next().unwrap_or_default(), lie);
                playing |= first.starts_with("PLAY");
                let name = if matches!(lie, Lie::Http) { "HTTP/1.1" } else { "RTSP/1.0" };
                write!(speak, "{name} {status}\r\n{}\r\n{rest}", number.trim_end())?;
            }
            Err(_) if playing => {
                // RTP in the stream's own connection: '$', channel, length; version 2, payload type 96, garbage.
                sequence += 1;
                let mut packet = vec![0x80, 0xe0, (sequence >> 8) as u8, sequence as u8, 0, 0, 0, 1, 9, 9, 9, 9];
                packet[7] = sequence as u8;
                packet.extend((0..200).map(|i| (i * 37 + usize::from(sequence) * 11) as u8));
                speak.write_all(&[b'$', 0, 0, packet.len() as u8])?;
                speak.write_all(&packet)?;
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Status line and what follows the sequence number.
fn answer(method: &str, lie: &Lie) -> (&'static str, String) {
    match (method, lie) {
        (_, Lie::Http) => ("200 OK", "Content-Length: 0\r\n\r\n".into()),
        ("OPTIONS", _) => ("200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n".into()),
        ("DESCRIBE", Lie::Status(status)) => {
            (status, "WWW-Authenticate: Basic realm=\"eyes\"\r\nContent-Length: 0\r\n\r\n".into())
        }
        ("DESCRIBE", Lie::Sdp(sdp)) => {
            ("200 OK", format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()))
        }
        ("SETUP", _) => ("200 OK", "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n".into()),
        _ => ("200 OK", "Session: 1\r\n\r\n".into()),
    }
}

/// A wire to a server on this machine, which can have a hole: nothing passes any more and nobody is told.
pub struct Wire {
    port: u16,
    hole: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    pub fn to(server: u16) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hole, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (hole, stop) = (hole.clone(), stop.clone());
            thread::spawn(move || {
                let mut carriers = Vec::new();
                for near in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (Ok(near), Ok(far)) = (near, TcpStream::connect(("127.0.0.1", server))) else { continue };
                    for (from, to) in [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))] {
                        let (Ok(from), Ok(to), hole, stop) = (from, to, hole.clone(), stop.clone()) else { continue };
                        carriers.push(thread::spawn(move || carry(from, to, &hole, &stop)));
                    }
                }
                carriers.into_iter().for_each(|carrier| drop(carrier.join()));
            })
        };
        Wire { port, hole, stop, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/eye", self.port)
    }

    /// What was swallowed is lost: whoever is connected stays out of step and has to come again.
    pub fn hole(&self, open: bool) {
        self.hole.store(open, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, hole: &AtomicBool, stop: &AtomicBool) {
    let _ = from.set_read_timeout(Some(Duration::from_millis(50)));
    let mut bytes = [0; 16_384];
    while !stop.load(Ordering::Relaxed) {
        match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(_) if hole.load(Ordering::Relaxed) => {}
            Ok(n) if to.write_all(&bytes[..n]).is_err() => break,
            _ => {}
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
