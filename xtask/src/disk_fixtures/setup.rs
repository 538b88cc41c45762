//! Which disks are plugged into a machine.

/// The stick and the drives of a machine. Scenarios with the same setup share a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskSetup {
    /// A stick in use, with the owner's key and Ollama's image on PERSIST; the models drive; and the PC's own disk.
    Complete,
    /// A stick without room for PERSIST, and no models drive.
    None,
    /// A stick fresh from the image, with the owner's files on its ESP; and the models drive.
    Fresh,
    /// Two sticks in use, with different releases, and the models drive; no cable is plugged in yet.
    TwoSticks,
    /// A damaged stick in use, with the owner's key on its ESP.
    Damaged(Damage),
    /// As complete, but one sector of the models drive is unreadable.
    BadSector,
    /// As complete, without the PC's own disk. The models drive is exchanged for others while the machine runs.
    Causes,
    /// As complete, with a slot B that held something before, and a watchdog in the PC.
    Updates,
    /// As complete, but no cable is plugged in, the clock's battery is empty, and beside the archive of Ollama's image there are
    /// an unreadable one and one of another image.
    BadDay,
}

impl DiskSetup {
    /// The network cable is plugged in at power on.
    pub fn cable(self) -> bool {
        !matches!(self, DiskSetup::BadDay | DiskSetup::TwoSticks)
    }

    /// The PC has a hardware watchdog.
    pub fn watchdog(self) -> bool {
        matches!(self, DiskSetup::Updates)
    }

    /// The hardware clock at power on: the time that Windows has left there, local time, or a date and time as ISO 8601.
    pub fn clock(self) -> &'static str {
        match self {
            DiskSetup::BadDay => "1970-01-01T00:00:00",
            _ => "localtime",
        }
    }
}

/// What can happen to a stick in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The first MiB of PERSIST is noise.
    Garbage,
    /// The stick was copied to a smaller one: PERSIST's file system is longer than the stick.
    Truncated,
    /// No block is free on PERSIST.
    Full,
    /// The write-protect switch is on.
    ReadOnly,
    /// A copy of the same stick is plugged in, too.
    Twin,
}

impl Damage {
    pub const ALL: [Damage; 5] = [
        Damage::Garbage,
        Damage::Truncated,
        Damage::Full,
        Damage::ReadOnly,
        Damage::Twin,
    ];
}
