//! What keeps the process alive when a mapped file shrinks under it.
//!
//! Owns: the SIGBUS handler and the table of the mappings it watches over. May import: std, libc.
//! Must not know: files, lines. `unsafe`, because only a signal handler can answer a fault.
//!
//! Reading a page that a mapped file no longer has raises SIGBUS. The handler puts zero pages in place of it and of
//! all that follows in the mapping, and notes where; the read goes on, sees zeros, and whoever reads asks
//! [`Watch::fault`] afterwards. Any other SIGBUS goes to the handler that was there before.

#![allow(unsafe_code, reason = "a signal handler, and mapping zero pages over a lost file")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use libc::{c_int, c_void, siginfo_t};

/// Mappings that can be watched at once: one for every thread there can be, and some.
const SLOTS: usize = 2048;

/// A place for one mapping. The handler may look at any moment, on any thread, so it is all atomics and no locks.
struct Slot {
    taken: AtomicBool,
    /// Odd while `start` and `end` are being changed; the handler skips what changed while it looked.
    version: AtomicUsize,
    /// First address and the one behind the last page.
    start: AtomicUsize,
    end: AtomicUsize,
    /// Offset of the first page that was lost; `usize::MAX` for none.
    fault: AtomicUsize,
}

static TABLE: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);
/// What was to be done about SIGBUS before the guard came; `None` if the guard could not be installed.
static PREVIOUS: OnceLock<Option<libc::sigaction>> = OnceLock::new();

impl Slot {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            fault: AtomicUsize::new(usize::MAX),
        }
    }

    /// Only for who has `taken` the slot.
    fn set(&self, start: usize, end: usize) {
        self.version.fetch_add(1, SeqCst);
        self.start.store(start, SeqCst);
        self.end.store(end, SeqCst);
        self.fault.store(usize::MAX, SeqCst);
        self.version.fetch_add(1, SeqCst);
    }
}

/// A mapping being watched, until this is dropped.
pub(super) struct Watch {
    slot: &'static Slot,
}

impl Watch {
    /// Watches over a mapping; `None` if too many are watched, or no handler could be installed.
    ///
    /// # Safety
    /// `bytes` must be all of one mapping of a file that is only read, and stay mapped until the watch is dropped:
    /// its pages may be replaced by zero pages at any time.
    pub(super) unsafe fn new(bytes: &[u8]) -> Option<Self> {
        install()?;
        let start = bytes.as_ptr() as usize;
        let end = start + bytes.len().next_multiple_of(PAGE_BYTES.load(SeqCst));
        let free = |slot: &&Slot| slot.taken.compare_exchange(false, true, SeqCst, SeqCst).is_ok();
        let slot = TABLE.iter().find(free)?;
        slot.set(start, end);
        Some(Self { slot })
    }

    /// Offset of the first byte that was lost: from there on the mapping may read as zeros.
    pub(super) fn fault(&self) -> Option<usize> {
        match self.slot.fault.load(SeqCst) {
            usize::MAX => None,
            offset => Some(offset),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.slot.set(0, 0);
        self.slot.taken.store(false, SeqCst);
    }
}

/// Installs the handler, once.
fn install() -> Option<()> {
    let previous = PREVIOUS.get_or_init(|| {
        // SAFETY: sysconf has no preconditions.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        PAGE_BYTES.store(usize::try_from(page_bytes).unwrap_or(4096), SeqCst);
        // SAFETY: an all-zero sigaction is a valid one (default action, empty mask, no flags).
        let (mut previous, mut new): (libc::sigaction, libc::sigaction) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        new.sa_sigaction = on_bus_error as *const () as usize;
        // Rust's threads have a stack for signals, and the handler before ours wants to run on it.
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both structures are valid, and the handler does only what a handler may.
        let result = unsafe { libc::sigaction(libc::SIGBUS, &raw const new, &raw mut previous) };
        (result == 0).then_some(previous)
    });
    previous.as_ref().map(|_| ())
}

/// The handler. It only loads and stores atomics and makes system calls; it takes no lock and no memory.
extern "C" fn on_bus_error(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO a valid siginfo; where the kernel itself raised SIGBUS
    // (a positive code) it holds the address.
    let address = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) };
    if !address.is_some_and(cover) {
        pass_on(signal, info, context);
    }
}

/// Puts zero pages at `address` and behind it, to the end of its mapping; false if it is in none of ours.
fn cover(address: usize) -> bool {
    for slot in &TABLE {
        let version = slot.version.load(SeqCst);
        let (start, end) = (slot.start.load(SeqCst), slot.end.load(SeqCst));
        // The slot of the mapping that faulted cannot change: its reader holds it. Others can.
        if version % 2 == 1
            || !(start..end).contains(&address)
            || slot.version.load(SeqCst) != version
        {
            continue;
        }
        let page = address - address % PAGE_BYTES.load(SeqCst);
        // Before the zeros come: who sees them must see this too.
        slot.fault.fetch_min(page - start, SeqCst);
        // SAFETY: errno is the thread's own; a handler must leave it as it was.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: the pages are part of a mapping given to `Watch::new`, whose caller allowed to replace them; mmap
        // is a bare system call.
        let mapped = unsafe {
            libc::mmap(
                page as *mut c_void,
                end - page,
                libc::PROT_READ,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
        return mapped != libc::MAP_FAILED;
    }
    false
}

/// Does what would have been done without the guard.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    type WithInfo = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
    type Plain = extern "C" fn(c_int);
    let previous = PREVIOUS.get().and_then(Option::as_ref);
    match previous.map(|previous| (previous.sa_sigaction, previous.sa_flags)) {
        Some((handler, flags)) if handler != libc::SIG_DFL && handler != libc::SIG_IGN => {
            if flags & libc::SA_SIGINFO != 0 {
                // SAFETY: with SA_SIGINFO this is what was registered.
                let handler: WithInfo = unsafe { std::mem::transmute(handler) };
                handler(signal, info, context);
            } else {
                // SAFETY: without SA_SIGINFO this is what was registered.
                let handler: Plain = unsafe { std::mem::transmute(handler) };
                handler(signal);
            }
        }
        // A fault cannot be ignored: the default, which ends the process when this handler returns.
        _ => {
            // SAFETY: an all-zero sigaction is the default action; sigaction and raise may be called in a handler.
            unsafe {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
                libc::raise(signal);
            }
        }
    }
}
