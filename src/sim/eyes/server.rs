//! One stream on a real RTSP server: raw pictures go in, H.264 comes out, to whoever asks for it on 127.0.0.1.
//!
//!     Entrance --I420--> appsrc ! x264enc ! rtph264pay --RTSP--> anybody

use super::FPS;
use crate::base::CameraId;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server as rtsp;
use rtsp::prelude::*;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

pub const PATH: &str = "/eye";

/// Where pictures go in, while somebody watches.
#[derive(Clone, Default)]
pub struct Entrance(Arc<Mutex<Option<AppSrc>>>);

impl Entrance {
    /// Whether somebody watches.
    pub fn is_open(&self) -> bool {
        self.0.lock().expect("entrance").is_some()
    }

    /// I420 of the stream's size.
    pub fn push(&self, picture: Vec<u8>) {
        let Some(source) = self.0.lock().expect("entrance").clone() else { return };
        if source.push_buffer(gst::Buffer::from_slice(picture)).is_err() {
            // The last watcher left and the stream was taken down; the next one brings a new entrance.
            self.0.lock().expect("entrance").take_if(|now| *now == source);
        }
    }
}

/// Dropped, it closes its port and every connection, and waits for it.
pub struct Server {
    port: u16,
    running: glib::MainLoop,
    serving: Option<JoinHandle<()>>,
}

impl Server {
    /// Port 0 lets the system choose. The error is a cause.
    pub fn start(id: &CameraId, size: (u32, u32), entrance: &Entrance, port: u16) -> Result<Server, String> {
        gst::init().map_err(|cause| cause.to_string())?;
        let context = glib::MainContext::new();
        let running = glib::MainLoop::new(Some(&context), false);
        let (tell, told) = sync_channel(1);
        let serve = {
            let (running, entrance) = (running.clone(), entrance.clone());
            move || {
                // The server's sockets belong to this thread's context; without it they would land in the default one.
                let served = context.with_thread_default(|| serve(&context, &running, size, &entrance, port, &tell));
                if let Err(cause) = served {
                    tracing::error!(%cause, "simulated camera");
                }
            }
        };
        let serving = thread::Builder::new().name(format!("rtsp {id}")).spawn(serve);
        let serving = Some(serving.map_err(|cause| cause.to_string())?);
        match told.recv() {
            Ok(Ok(port)) => Ok(Server { port, running, serving }),
            Ok(Err(cause)) => Err(cause),
            Err(_) => Err("its server did not start".to_owned()),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.quit();
        if let Some(serving) = self.serving.take() {
            // A panic was reported by its own thread.
            let _ = serving.join();
        }
    }
}

fn serve(
    context: &glib::MainContext,
    running: &glib::MainLoop,
    (width, height): (u32, u32),
    entrance: &Entrance,
    port: u16,
    tell: &SyncSender<Result<u16, String>>,
) {
    let server = rtsp::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port.to_string());
    let factory = rtsp::RTSPMediaFactory::new();
    // One picture for all who watch. A key picture a second, so that who joins late sees soon; a quantiser at rest, because a
    // rate control goes on refining a picture that does not change, as no camera with a stuck sensor does.
    factory.set_shared(true);
    factory.set_launch(&format!(
        "( appsrc name=eye is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream \
           caps=video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={FPS} pass=quant quantizer=26 \
         ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    ));
    let entrance = entrance.clone();
    factory.connect_media_configure(move |_, media| {
        let source = media.element().downcast::<gst::Bin>().ok().and_then(|bin| bin.by_name("eye"));
        *entrance.0.lock().expect("entrance") = source.and_then(|source| source.downcast::<AppSrc>().ok());
    });
    let answer = match server.mount_points() {
        Some(mounts) => {
            mounts.add_factory(PATH, factory);
            server.attach(Some(context)).map_err(|_| format!("port {port} of 127.0.0.1 is taken"))
        }
        None => Err("the server has no mount points".to_owned()),
    };
    match answer {
        Ok(source) => {
            // Told from within the loop: a stop that came before the loop runs would be forgotten.
            let (tell, port) = (tell.clone(), server.bound_port() as u16);
            let once = move || {
                // The reader may have given up: then the loop is quit as well.
                let _ = tell.send(Ok(port));
                glib::ControlFlow::Break
            };
            glib::idle_source_new(None, glib::Priority::DEFAULT, once).attach(Some(context));
            running.run();
            if let Some(source) = context.find_source_by_id(&source) {
                source.destroy();
            }
            server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
        }
        Err(cause) => {
            let _ = tell.send(Err(cause));
        }
    }
}
