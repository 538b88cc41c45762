//! Values by their type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::rc::Rc;

/// At most one value of each type.
#[derive(Default)]
pub struct Memo(HashMap<TypeId, Rc<dyn Any>>);

impl Memo {
    pub fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let value = self.0.get(&TypeId::of::<T>())?;
        Rc::clone(value).downcast().ok()
    }

    /// Keeps `value` in the place of an earlier one of its type.
    pub fn insert<T: 'static>(&mut self, value: T) -> Rc<T> {
        let value = Rc::new(value);
        self.0.insert(TypeId::of::<T>(), value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_own_value() {
        let mut memo = Memo::default();
        assert_eq!(memo.get::<u32>(), None);
        assert_eq!(*memo.insert(1_u32), 1);
        memo.insert("text");
        assert_eq!(memo.get::<u32>().as_deref(), Some(&1));
        assert_eq!(memo.get::<&str>().as_deref(), Some(&"text"));
        assert_eq!(memo.get::<u64>(), None);
        memo.insert(2_u32);
        assert_eq!(memo.get::<u32>().as_deref(), Some(&2));
    }
}
