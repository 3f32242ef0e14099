//! What Holdfast's programs ask of the system beneath.
//!
//! The only crate of the workspace in which unsafe code may stand. A program calls these once, at its start; libraries
//! never do.

/// Makes the allocator give buffers of a mebibyte and more back to the system as soon as they are freed.
///
/// Left alone, glibc takes the first large buffer that is freed as a sign to keep all later ones of its size: a backup
/// then holds 260 MB where 140 MB are in use. Does nothing with other C libraries, which do not keep them.
pub fn return_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const THRESHOLD: libc::c_int = 1 << 20;
        // SAFETY: mallopt only sets a number of the allocator; it may be called at any time and says in its result
        // whether it took it, which changes nothing but the memory used.
        #[allow(unsafe_code, reason = "the C library has no safe wrapper for this")]
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD) };
    }
}

/// A class of the kernel's disk scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskClass {
    /// The disk only when nobody else wants it.
    Idle,
    /// Among the usual ones, from 0 (first) to 7 (last).
    BestEffort(u8),
}

/// Puts the calling thread, and the threads and processes that it starts from now on, into a class of the disk scheduler.
///
/// # Errors
/// When the system refuses, or knows no such classes.
pub fn set_disk_class(class: DiskClass) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        const THIS_THREAD: libc::c_int = 0;
        const ONE_PROCESS: libc::c_int = 1;
        const CLASS_SHIFT: u32 = 13;
        let value: libc::c_int = match class {
            DiskClass::BestEffort(level) => (2 << CLASS_SHIFT) | libc::c_int::from(level.min(7)),
            DiskClass::Idle => 3 << CLASS_SHIFT,
        };
        // SAFETY: the call takes three numbers and no memory of ours.
        #[allow(unsafe_code, reason = "neither the C library nor rustix has a wrapper for this")]
        let result = unsafe { libc::syscall(libc::SYS_ioprio_set, ONE_PROCESS, THIS_THREAD, value) };
        if result != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = class;
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
