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
