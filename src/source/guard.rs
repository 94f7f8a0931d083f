//! A SIGBUS handler that keeps the process alive when a mapped file shrinks.
//!
//! Owns: the handler and the table of the mappings it guards. May import: std, libc. Must not know: files, lines; what
//! of a truncated file counts is decided in `source` (`mod.rs`, `lines`).
//! `unsafe`, because only a signal handler can answer a fault.
//!
//! Reading a page that a mapped file no longer has raises SIGBUS. The handler replaces that page, and all that follow it
//! in the mapping, by zero pages, and records the offset. The read goes on and sees zeros; the reader checks
//! [`Watch::fault`] afterwards. Any other SIGBUS is passed on to the handler installed before.

#![allow(unsafe_code, reason = "a signal handler, and mapping zero pages over a lost file")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use libc::{c_int, c_void, siginfo_t};

/// Number of mappings that can be watched at the same time: more than there are threads.
const SLOTS: usize = 2048;

/// Entry of the table, for one mapping. The handler may read it at any moment, on any thread: atomics only, no locks.
struct Slot {
    taken: AtomicBool,
    /// Odd while `start` and `end` are being changed. The handler skips a slot that changed while it was read.
    version: AtomicUsize,
    /// Address of the first page.
    start: AtomicUsize,
    /// Address just after the last page.
    end: AtomicUsize,
    /// Offset of the first lost page; `usize::MAX` for none.
    fault: AtomicUsize,
}

static TABLE: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);
/// The action for SIGBUS before the handler was installed; `None` if it could not be installed.
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

    /// Only for callers that hold `taken`.
    fn set(&self, start: usize, end: usize) {
        self.version.fetch_add(1, SeqCst);
        self.start.store(start, SeqCst);
        self.end.store(end, SeqCst);
        self.fault.store(usize::MAX, SeqCst);
        self.version.fetch_add(1, SeqCst);
    }
}

/// The watch over one mapping, until it is dropped.
pub(super) struct Watch {
    slot: &'static Slot,
}

impl Watch {
    /// Starts to watch a mapping; `None` if the table is full or the handler could not be installed.
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

    /// Offset of the first lost byte: from there on the mapping may read as zeros. `None` if none was lost.
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
        // The handler that Rust installed before, for stack overflows, has to run on the alternate stack.
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both structures are valid, and the handler is async-signal-safe.
        let result = unsafe { libc::sigaction(libc::SIGBUS, &raw const new, &raw mut previous) };
        (result == 0).then_some(previous)
    });
    previous.as_ref().map(|_| ())
}

/// The handler. It only reads and writes atomics and makes system calls: it takes no lock and allocates nothing.
extern "C" fn on_bus_error(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO a valid siginfo; where the kernel itself raised SIGBUS
    // (a positive code) it holds the address.
    let address = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) };
    if !address.is_some_and(cover) {
        pass_on(signal, info, context);
    }
}

/// Puts zero pages over the page at `address` and all that follow in its mapping. False if no watched mapping holds it.
fn cover(address: usize) -> bool {
    for slot in &TABLE {
        let version = slot.version.load(SeqCst);
        let (start, end) = (slot.start.load(SeqCst), slot.end.load(SeqCst));
        // The slot of the faulting mapping cannot change, since its reader holds it; others can.
        if version % 2 == 1
            || !(start..end).contains(&address)
            || slot.version.load(SeqCst) != version
        {
            continue;
        }
        let page = address - address % PAGE_BYTES.load(SeqCst);
        // Before the zeros: a thread that sees them must see this, too.
        slot.fault.fetch_min(page - start, SeqCst);
        // SAFETY: errno is the thread's own; a handler must leave it as it was.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: the pages belong to a mapping given to `Watch::new`, whose caller allows them to be replaced; mmap is a
        // bare system call.
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

/// Handles the signal as it would have been without the guard.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    type WithInfo = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
    type Plain = extern "C" fn(c_int);
    let previous = PREVIOUS.get().and_then(Option::as_ref);
    match previous.map(|previous| (previous.sa_sigaction, previous.sa_flags)) {
        Some((handler, flags)) if handler != libc::SIG_DFL && handler != libc::SIG_IGN => {
            if flags & libc::SA_SIGINFO != 0 {
                // SAFETY: a handler registered with SA_SIGINFO has this type.
                let handler: WithInfo = unsafe { std::mem::transmute(handler) };
                handler(signal, info, context);
            } else {
                // SAFETY: a handler registered without SA_SIGINFO has this type.
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
