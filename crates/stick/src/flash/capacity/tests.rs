use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::*;
use crate::monitor::NoMonitor;

const IMAGE: u64 = 4354 * MIB;
const WRITTEN: u64 = 2000 * MIB;
const SIZE: u64 = 16_008_609_792;
const SECTOR_BYTES: usize = SECTOR as usize;

/// Where an address of a fake stick leads to.
type Storage = fn(u64) -> Option<u64>;

/// A stick in memory: sectors that were written, and where addresses lead to. Where nothing was written is older data.
struct Fake {
    storage: Storage,
    sectors: RefCell<BTreeMap<u64, Vec<u8>>>,
    /// What the system has not sent to it yet, by address.
    cache: RefCell<BTreeMap<u64, Vec<u8>>>,
    /// Its addresses in the order of the writes.
    order: RefCell<Vec<u64>>,
    /// Writes until it is pulled out.
    writes_left: Cell<u64>,
}

fn stick(storage: Storage) -> Fake {
    Fake {
        storage,
        sectors: RefCell::default(),
        cache: RefCell::default(),
        order: RefCell::default(),
        writes_left: Cell::new(u64::MAX),
    }
}

fn good() -> Fake {
    stick(Some)
}

fn older(address: u64) -> Vec<u8> {
    vec![(address / SECTOR % 251) as u8; SECTOR_BYTES]
}

impl Fake {
    /// What is at every address that was written to.
    fn changed(&self) -> Vec<u64> {
        let sectors = self.sectors.borrow();
        let changed = sectors.iter().filter(|(at, bytes)| **bytes != older(**at));
        changed.map(|(at, _)| *at).collect()
    }

    /// As writing the image does: what was there is gone.
    fn write_image(&self) {
        let stored = self.storage;
        let end = stored(WRITTEN).unwrap();
        self.sectors.borrow_mut().retain(|at, _| *at >= end);
    }

    fn block(&self, address: u64) -> Vec<u8> {
        let mut block = vec![0; MARKER as usize];
        self.read(address, &mut block).unwrap();
        block
    }
}

impl Blocks for Fake {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        assert!(offset + buffer.len() as u64 <= SIZE, "read behind the end");
        for (address, sector) in (offset..)
            .step_by(SECTOR_BYTES)
            .zip(buffer.chunks_exact_mut(SECTOR_BYTES))
        {
            if let Some(cached) = self.cache.borrow().get(&address) {
                sector.copy_from_slice(cached);
                continue;
            }
            match (self.storage)(address) {
                Some(at) => {
                    let stored = self.sectors.borrow();
                    sector.copy_from_slice(stored.get(&at).unwrap_or(&older(at)));
                }
                None => sector.fill(0),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        assert!(offset >= IMAGE + MARGIN && offset + bytes.len() as u64 <= SIZE);
        let left = self.writes_left.get().checked_sub(1);
        self.writes_left
            .set(left.ok_or_else(|| Error::msg("pulled out"))?);
        for (address, sector) in (offset..)
            .step_by(SECTOR_BYTES)
            .zip(bytes.chunks_exact(SECTOR_BYTES))
        {
            self.cache.borrow_mut().insert(address, sector.to_vec());
            self.order.borrow_mut().push(address);
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        let mut cache = self.cache.borrow_mut();
        for address in self.order.borrow_mut().drain(..) {
            if let (Some(at), Some(sector)) = ((self.storage)(address), cache.get(&address)) {
                self.sectors.borrow_mut().insert(at, sector.clone());
            }
        }
        cache.clear();
        Ok(())
    }
}

fn checked(stick: &Fake) -> Result<Markers, Unfit> {
    place_markers(stick, places(IMAGE, SIZE, WRITTEN), &NoMonitor)
}

/// The size that is reported before the image is written, with nothing left on the stick.
fn refused(stick: &Fake) -> u64 {
    let unfit = checked(stick).expect_err("it passes");
    assert!(unfit.as_before);
    assert!(stick.changed().is_empty(), "something is left");
    match unfit.reason {
        Reason::Smaller(stores) => stores,
        Reason::Failed(error) => panic!("{error}"),
    }
}

/// Fails unless `reported` is what a stick of `real` bytes would be taken for.
fn about(reported: u64, real: u64) {
    let step = SIZE / SPREAD;
    assert!(
        (real..=real + step).contains(&reported),
        "{reported} instead of {real}"
    );
}

#[test]
fn a_sound_stick_passes_and_is_left_empty_there() {
    let stick = good();
    let markers = checked(&stick).unwrap();
    assert!(markers.places.len() < 100 && markers.places.first() >= Some(&(IMAGE + MIB)));
    for place in [SIZE - MARKER, (1 << 33) - MARKER, 1 << 33] {
        assert!(markers.places.contains(&place), "{place}");
        assert_ne!(stick.block(place), vec![0; 4096]);
    }
    stick.write_image();
    assert_eq!(markers.lost(&stick, &NoMonitor).unwrap(), None);
    markers.remove(&stick).unwrap();
    assert!(stick.cache.borrow().is_empty(), "the zeros may get lost");
    assert_eq!(stick.sectors.borrow().len(), markers.places.len() * 8);
    for place in &markers.places {
        assert_eq!(stick.block(*place), vec![0; 4096]);
    }
}

#[test]
fn dropped_writes_are_found_at_once() {
    about(
        refused(&stick(|at| (at < 8_000_000_000).then_some(at))),
        8_000_000_000,
    );
    // Only the last block is missing.
    let end = refused(&stick(|at| (at < SIZE - MARKER).then_some(at)));
    assert_eq!(end, SIZE - MARKER);
}

#[test]
fn a_wrap_around_at_a_power_of_two_is_found_at_once() {
    assert_eq!(refused(&stick(|at| Some(at % (1 << 33)))), 1 << 33);
    assert_eq!(refused(&stick(|at| Some(at % (1 << 32)))), 1 << 32);
    assert_eq!(refused(&stick(|at| Some(at % (1 << 30)))), 1 << 30);
}

#[test]
fn any_other_wrap_around_is_found_once_the_image_is_written() {
    // Both pass at first: no two markers share a place.
    let odd: [(Storage, u64); 3] = [
        (|at| Some(at % 7_999_999_488), 7_999_999_488),
        (|at| Some(at % 15_000_000_000), 15_000_000_000),
        (|at| Some(at % 5_000_000_512), 5_000_000_512),
    ];
    for (storage, real) in odd {
        let stick = stick(storage);
        let markers = checked(&stick).unwrap();
        assert_eq!(markers.lost(&stick, &NoMonitor).unwrap(), None);
        stick.write_image();
        about(markers.lost(&stick, &NoMonitor).unwrap().unwrap(), real);
    }
}

/// The distance of most markers.
const STEP: u64 = (SIZE - MARKER - IMAGE - MARGIN) / SPREAD / MARKER * MARKER;

#[test]
fn of_two_markers_at_one_place_the_lower_one_holds() {
    assert!(refused(&stick(|at| Some(at % (25 * STEP)))) >= 25 * STEP);
}

#[test]
fn a_large_stick_has_markers_no_further_apart_than_the_image_is_long() {
    let places = places(IMAGE, 1 << 40, WRITTEN);
    let places: Vec<u64> = places.into_iter().collect();
    let widest = places.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(widest <= WRITTEN / 2, "{widest}");
    assert!(places.len() < 2000);
}

#[test]
fn a_region_without_room_gets_no_marker() {
    assert!(places(IMAGE, IMAGE, WRITTEN).is_empty());
    assert!(places(IMAGE, IMAGE + MARGIN + MARKER - 1, WRITTEN).is_empty());
    assert_eq!(places(IMAGE, IMAGE + MARGIN + MARKER, WRITTEN).len(), 1);
    let odd = places(IMAGE, SIZE + 100, WRITTEN);
    assert_eq!(odd.last(), Some(&(SIZE - MARKER)), "whole sectors only");
}

/// Ends the check after so many calls.
struct Stops(Cell<u64>);

impl Monitor for Stops {
    fn check(&self) -> Result<()> {
        let left = self
            .0
            .get()
            .checked_sub(1)
            .ok_or_else(|| Error::msg("stopped"))?;
        self.0.set(left);
        Ok(())
    }
}

#[test]
fn what_was_there_is_put_back_whenever_the_check_ends() {
    let count = places(IMAGE, SIZE, WRITTEN).len() as u64;
    for calls in [0, count, count + 1, 2 * count, 2 * count + 5] {
        let stick = good();
        let monitor = Stops(Cell::new(calls));
        let unfit = place_markers(&stick, places(IMAGE, SIZE, WRITTEN), &monitor).unwrap_err();
        assert!(matches!(unfit.reason, Reason::Failed(_)) && unfit.as_before);
        assert!(stick.changed().is_empty(), "after {calls} calls");
    }
}

#[test]
fn what_cannot_be_put_back_is_not_hidden() {
    let stick = good();
    stick.writes_left.set(5);
    let unfit = checked(&stick).unwrap_err();
    assert!(matches!(unfit.reason, Reason::Failed(_)) && !unfit.as_before);
    stick.writes_left.set(0);
    stick.sectors.borrow_mut().clear();
    assert!(
        checked(&stick).unwrap_err().as_before,
        "nothing was written"
    );
}

#[test]
fn markers_of_an_earlier_run_do_not_count() {
    let stick = good();
    let first = checked(&stick).unwrap();
    let second = checked(&stick).unwrap();
    assert_eq!(second.lost(&stick, &NoMonitor).unwrap(), None);
    assert!(first.lost(&stick, &NoMonitor).unwrap().is_some());
}
