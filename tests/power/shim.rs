//! A disk that remembers: a layer between SQLite and the system's files that writes down, in order, everything SQLite
//! writes, truncates, syncs and deletes below one directory.
//!
//! It is registered as SQLite's default for this whole program and changes nothing: every call goes on to the system's own
//! layer. Memory shared between processes (`-shm`) is not written down: it is made anew after every crash.

use rusqlite::ffi;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::{Mutex, Once};

/// What happened to a file, by its name in the directory.
#[derive(Clone, Debug)]
pub enum Op {
    Write {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        size: usize,
    },
    /// Everything done to the file before is on the disk.
    Sync {
        file: String,
    },
    Delete {
        file: String,
    },
    /// Somebody was told that so many steps are done.
    Told(usize),
}

static TRACE: Mutex<Option<Trace>> = Mutex::new(None);

struct Trace {
    dir: String,
    ops: Vec<Op>,
}

/// Begins to write down what happens in `dir`. One directory at a time.
pub fn remember(dir: &Path) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    let dir = format!("{}/", dir.display());
    let before = TRACE.lock().unwrap().replace(Trace { dir, ops: Vec::new() });
    assert!(before.is_none(), "one directory at a time");
}

pub fn told(steps: usize) {
    note(Op::Told(steps));
}

/// Everything since [`remember`].
pub fn recall() -> Vec<Op> {
    TRACE.lock().unwrap().take().expect("remember came first").ops
}

fn note(op: Op) {
    if let Some(trace) = TRACE.lock().unwrap().as_mut() {
        trace.ops.push(op);
    }
}

/// The file's name, if it lies in the directory that is remembered.
fn name_of(path: *const c_char) -> Option<String> {
    if path.is_null() {
        return None; // a temporary file
    }
    // SAFETY: SQLite hands paths over as strings with an end.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    let trace = TRACE.lock().unwrap();
    path.strip_prefix(&trace.as_ref()?.dir).map(str::to_owned)
}

/// Our part of an open file; the system's own follows it in memory.
#[repr(C)]
struct Shim {
    base: ffi::sqlite3_file,
    /// Only of files that are remembered.
    file: *mut String,
}

struct Layers {
    real: *mut ffi::sqlite3_vfs,
    methods: ffi::sqlite3_io_methods,
}

// SAFETY: written once before any file is opened, then only read.
unsafe impl Sync for Layers {}
unsafe impl Send for Layers {}

static LAYERS: std::sync::OnceLock<Layers> = std::sync::OnceLock::new();

fn layers() -> &'static Layers {
    LAYERS.get().expect("registered")
}

unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<Shim>().add(1).cast() }
}

unsafe fn remembered<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a String> {
    unsafe { (*file.cast::<Shim>()).file.as_ref() }
}

/// Calls the system's own method of the same name.
macro_rules! pass {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = unsafe { real($file) };
        let method = unsafe { (*(*real).pMethods).$method }.expect("the system's layer has it");
        unsafe { method(real $(, $argument)*) }
    }};
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, data: *const c_void, n: c_int, at: i64) -> c_int {
    let result = pass!(file, xWrite, data, n, at);
    if let Some(name) = unsafe { remembered(file) }
        && result == ffi::SQLITE_OK
    {
        // SAFETY: SQLite wrote these bytes just now.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), n as usize) }.to_vec();
        note(Op::Write { file: name.clone(), at: at as usize, bytes });
    }
    result
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let result = pass!(file, xTruncate, size);
    if let Some(name) = unsafe { remembered(file) }
        && result == ffi::SQLITE_OK
    {
        note(Op::Truncate { file: name.clone(), size: size as usize });
    }
    result
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let result = pass!(file, xSync, flags);
    if let Some(name) = unsafe { remembered(file) }
        && result == ffi::SQLITE_OK
    {
        note(Op::Sync { file: name.clone() });
    }
    result
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let result = pass!(file, xClose);
    let shim = unsafe { &mut *file.cast::<Shim>() };
    if !shim.file.is_null() {
        // SAFETY: made by `Box::into_raw` when the file was opened, and given back once.
        drop(unsafe { Box::from_raw(std::mem::replace(&mut shim.file, std::ptr::null_mut())) });
    }
    result
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, n: c_int, at: i64) -> c_int {
    pass!(file, xRead, to, n, at)
}
unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    pass!(file, xFileSize, size)
}
unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xLock, level)
}
unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass!(file, xUnlock, level)
}
unsafe extern "C" fn check_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    pass!(file, xCheckReservedLock, out)
}
unsafe extern "C" fn control(file: *mut ffi::sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    pass!(file, xFileControl, op, argument)
}
unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xSectorSize)
}
unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass!(file, xDeviceCharacteristics)
}
unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    pass!(file, xShmMap, page, size, extend, out)
}
unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    pass!(file, xShmLock, offset, n, flags)
}
unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    pass!(file, xShmBarrier)
}
unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    pass!(file, xShmUnmap, delete)
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let layers = layers();
    let shim = unsafe { &mut *file.cast::<Shim>() };
    shim.base.pMethods = std::ptr::null();
    shim.file = std::ptr::null_mut();
    let open = unsafe { (*layers.real).xOpen }.expect("files can be opened");
    let result = unsafe { open(layers.real, path, real(file), flags, out) };
    if result == ffi::SQLITE_OK {
        shim.base.pMethods = &layers.methods;
        shim.file = name_of(path).map_or(std::ptr::null_mut(), |name| Box::into_raw(Box::new(name)));
    }
    result
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, sync_dir: c_int) -> c_int {
    let real = layers().real;
    let delete = unsafe { (*real).xDelete }.expect("files can be deleted");
    let result = unsafe { delete(real, path, sync_dir) };
    if let Some(file) = name_of(path)
        && result == ffi::SQLITE_OK
    {
        note(Op::Delete { file });
    }
    result
}

fn register() {
    // SAFETY: the system's layer lives as long as the program; ours is a copy of it with other ways to open and delete,
    // and is never taken back.
    unsafe {
        let real = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!real.is_null(), "SQLite has files");
        let methods = ffi::sqlite3_io_methods {
            iVersion: 2,
            xClose: Some(close),
            xRead: Some(read),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            xFileSize: Some(file_size),
            xLock: Some(lock),
            xUnlock: Some(unlock),
            xCheckReservedLock: Some(check_lock),
            xFileControl: Some(control),
            xSectorSize: Some(sector_size),
            xDeviceCharacteristics: Some(characteristics),
            xShmMap: Some(shm_map),
            xShmLock: Some(shm_lock),
            xShmBarrier: Some(shm_barrier),
            xShmUnmap: Some(shm_unmap),
            xFetch: None,
            xUnfetch: None,
        };
        assert!(LAYERS.set(Layers { real, methods }).is_ok());
        let mut ours = *real;
        ours.szOsFile += size_of::<Shim>() as c_int;
        ours.zName = c"remembers".as_ptr();
        ours.pNext = std::ptr::null_mut();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1), ffi::SQLITE_OK);
    }
}

/// What the disk holds when the power goes after the first `n` of `ops`. What was synced is there. Of what was not, `fate`
/// says for every write how many of its sectors of 512 bytes are: it may be all, none, or any.
pub fn disk_after(ops: &[Op], mut fate: impl FnMut(usize) -> Vec<bool>) -> BTreeMap<String, Vec<u8>> {
    const SECTOR: usize = 512;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let last_sync =
        |name: &str| ops.iter().rposition(|op| matches!(op, Op::Sync { file } | Op::Delete { file } if file == name));
    for (i, op) in ops.iter().enumerate() {
        match op {
            Op::Write { file, at, bytes } => {
                let synced = last_sync(file).is_some_and(|sync| sync > i);
                let sectors = bytes.len().div_ceil(SECTOR);
                let kept = if synced { vec![true; sectors] } else { fate(sectors) };
                let content = files.entry(file.clone()).or_default();
                for (sector, piece) in bytes.chunks(SECTOR).enumerate().filter(|(sector, _)| kept[*sector]) {
                    let from = at + sector * SECTOR;
                    if content.len() < from + piece.len() {
                        content.resize(from + piece.len(), 0);
                    }
                    content[from..from + piece.len()].copy_from_slice(piece);
                }
            }
            Op::Truncate { file, size } => {
                let synced = last_sync(file).is_some_and(|sync| sync > i);
                if synced || fate(1)[0] {
                    files.entry(file.clone()).or_default().resize(*size, 0);
                }
            }
            Op::Delete { file } => drop(files.remove(file)),
            Op::Sync { file } => drop(files.entry(file.clone()).or_default()),
            Op::Told(_) => {}
        }
    }
    files
}
