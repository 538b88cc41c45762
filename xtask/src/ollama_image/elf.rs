//! The first bytes of an ELF file (elf(5)).

/// A program for x86-64.
pub const X86_64: u16 = 62;

/// Whether these are the bytes of a Linux program or library.
pub fn is_elf(content: &[u8]) -> bool {
    content.starts_with(b"\x7fELF")
}

/// The processor that a program is for; `None` if it is not a program.
pub fn processor(content: &[u8]) -> Option<u16> {
    let machine = content.get(18..20)?;
    is_elf(content).then(|| u16::from_le_bytes([machine[0], machine[1]]))
}
