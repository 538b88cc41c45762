//! One change of the recorded configuration. A change that does not apply is an error.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

/// What is changed, where (a JSON pointer, RFC 6901), and to what (JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Another value in the place of one that is there.
    Set(&'static str, &'static str),
    /// The field goes.
    Remove(&'static str),
    /// One more item at the end of a list that has none like it.
    Append(&'static str, &'static str),
    /// The item goes from the list.
    RemoveItem(&'static str, &'static str),
    /// In a text, the first words, which are in one place, become the second.
    Replace(&'static str, &'static str, &'static str),
    /// In a text, the one line that contains the words becomes the text, or goes where the text is empty.
    Line(&'static str, &'static str, &'static str),
    /// A text that is not there yet, in an object that is.
    Add(&'static str, &'static str),
}

impl Edit {
    /// The place that it changes.
    fn pointer(&self) -> &'static str {
        match *self {
            Edit::Set(pointer, _)
            | Edit::Remove(pointer)
            | Edit::Append(pointer, _)
            | Edit::RemoveItem(pointer, _)
            | Edit::Replace(pointer, _, _)
            | Edit::Line(pointer, _, _)
            | Edit::Add(pointer, _) => pointer,
        }
    }

    /// Whether one of the two changes what the other has changed. Different parts of one text or list can both change.
    pub fn overlaps(&self, other: &Edit) -> bool {
        let inside = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let (one, two) = (self.pointer(), other.pointer());
        match (self, other) {
            (
                Edit::Replace(_, from, _) | Edit::Line(_, from, _),
                Edit::Replace(_, other, _) | Edit::Line(_, other, _),
            ) if one == two => from.contains(other) || other.contains(from),
            (Edit::Append(_, item), Edit::Append(_, other) | Edit::RemoveItem(_, other))
            | (Edit::RemoveItem(_, item), Edit::Append(_, other) | Edit::RemoveItem(_, other))
                if one == two =>
            {
                item == other
            }
            _ => inside(one, two) || inside(two, one),
        }
    }

    /// Changes `record`.
    ///
    /// # Errors
    /// The place is not there, is of another kind, or is already as it is to become.
    pub fn apply(&self, record: &mut Value) -> Result<()> {
        match *self {
            Edit::Set(pointer, json) => {
                let (place, new) = (at(record, pointer)?, parse(json)?);
                ensure!(*place != new, "{pointer} is {json} already");
                *place = new;
            }
            Edit::Remove(pointer) => {
                let (fields, name) = field(record, pointer)?;
                let removed = fields.remove(&name);
                ensure!(removed.is_some(), "{pointer} is not in the record");
            }
            Edit::Append(pointer, json) => {
                let (items, new) = (list(record, pointer)?, parse(json)?);
                ensure!(!items.contains(&new), "{pointer} has {json} already");
                items.push(new);
            }
            Edit::RemoveItem(pointer, json) => {
                let (items, old) = (list(record, pointer)?, parse(json)?);
                let found = items.iter().position(|item| *item == old);
                items.remove(found.with_context(|| format!("{pointer} has no {json}"))?);
            }
            Edit::Add(pointer, text) => {
                let (fields, name) = field(record, pointer)?;
                ensure!(!fields.contains_key(&name), "{pointer} is there already");
                fields.insert(name, text.into());
            }
            Edit::Line(pointer, words, to) => {
                let text = text(record, pointer)?;
                let found: Vec<&str> = text.lines().filter(|line| line.contains(words)).collect();
                let &[line] = found.as_slice() else {
                    bail!(
                        "{pointer} has {words:?} in {} lines, not in one",
                        found.len()
                    );
                };
                ensure!(line != to, "{line:?} would stay as it is");
                let (old, new) = if to.is_empty() {
                    (format!("{line}\n"), String::new())
                } else {
                    (line.to_string(), to.to_string())
                };
                *text = text.replacen(&old, &new, 1);
            }
            Edit::Replace(pointer, from, to) => {
                let text = text(record, pointer)?;
                let found = text.matches(from).count();
                ensure!(
                    found == 1,
                    "{pointer} has {from:?} in {found} places, not in one"
                );
                ensure!(from != to, "{from:?} would stay as it is");
                *text = text.replace(from, to);
            }
        }
        Ok(())
    }
}

fn parse(json: &str) -> Result<Value> {
    serde_json::from_str(json).with_context(|| format!("not JSON: {json}"))
}

fn at<'a>(record: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    record
        .pointer_mut(pointer)
        .with_context(|| format!("{pointer} is not in the record"))
}

fn list<'a>(record: &'a mut Value, pointer: &str) -> Result<&'a mut Vec<Value>> {
    at(record, pointer)?
        .as_array_mut()
        .with_context(|| format!("{pointer} is not a list"))
}

fn text<'a>(record: &'a mut Value, pointer: &str) -> Result<&'a mut String> {
    match at(record, pointer)? {
        Value::String(text) => Ok(text),
        _ => bail!("{pointer} is not a text"),
    }
}

/// The object around the field at `pointer`, and the field's name.
fn field<'a>(record: &'a mut Value, pointer: &str) -> Result<(&'a mut Map<String, Value>, String)> {
    let (around, name) = pointer
        .rsplit_once('/')
        .with_context(|| format!("{pointer:?} points to no field"))?;
    let fields = at(record, around)?
        .as_object_mut()
        .with_context(|| format!("{around} is not an object"))?;
    Ok((fields, name.replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use super::Edit::{Add, Append, Line, Remove, RemoveItem, Replace, Set};
    use super::*;

    fn after(edit: Edit) -> Result<Value, String> {
        let mut record =
            serde_json::json!({ "a": { "x/y": 1, "text": "one two two" }, "list": ["p", "q"] });
        edit.apply(&mut record)
            .map(|()| record)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_edit_changes_its_place_and_no_other() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (edit, expected) in [
            (
                Set("/a/x~1y", "2"),
                r#"{"a":{"x/y":2,"text":"one two two"},"list":["p","q"]}"#,
            ),
            (
                Set("/list/0", "null"),
                r#"{"a":{"x/y":1,"text":"one two two"},"list":[null,"q"]}"#,
            ),
            (
                Remove("/a/x~1y"),
                r#"{"a":{"text":"one two two"},"list":["p","q"]}"#,
            ),
            (
                Append("/list", "\"r\""),
                r#"{"a":{"x/y":1,"text":"one two two"},"list":["p","q","r"]}"#,
            ),
            (
                RemoveItem("/list", "\"p\""),
                r#"{"a":{"x/y":1,"text":"one two two"},"list":["q"]}"#,
            ),
            (
                Replace("/a/text", "one", "1"),
                r#"{"a":{"x/y":1,"text":"1 two two"},"list":["p","q"]}"#,
            ),
            (
                Add("/a/~0n~1w", "\"\n"),
                r#"{"a":{"x/y":1,"text":"one two two","~n/w":"\"\n"},"list":["p","q"]}"#,
            ),
            (
                Line("/a/text", "one", "1\n2"),
                r#"{"a":{"x/y":1,"text":"1\n2"},"list":["p","q"]}"#,
            ),
        ] {
            assert_eq!(after(edit).unwrap(), json(expected), "{edit:?}");
        }
    }

    #[test]
    fn a_line_goes_and_the_lines_around_it_stay() {
        let mut record = serde_json::json!({ "text": "one\ntwo\nthree\n" });
        Line("/text", "tw", "").apply(&mut record).unwrap();
        assert_eq!(record["text"], "one\nthree\n");
    }

    #[test]
    fn edits_overlap_where_one_changes_what_the_other_has_changed() {
        for (one, other, overlap) in [
            (Set("/a/x", "1"), Set("/a/y", "1"), false),
            (Set("/a/x", "1"), Set("/a/xy", "1"), false),
            (Set("/a/x", "1"), Remove("/a/x"), true),
            (Set("/a/x/y", "1"), Remove("/a/x"), true),
            (Append("/l", "1"), Append("/l", "2"), false),
            (Append("/l", "1"), RemoveItem("/l", "1"), true),
            (Append("/l", "1"), Set("/l", "[]"), true),
            (Replace("/t", "a", "b"), Replace("/t", "c", "d"), false),
            (Replace("/t", "a", "b"), Replace("/t", "xay", ""), true),
            (Replace("/t", "a", "b"), Set("/t", "1"), true),
            (Line("/t", "a", "b"), Replace("/t", "xay", ""), true),
            (Line("/t", "a", "b"), Line("/t", "c", ""), false),
            (Add("/t", "a"), Add("/t", "b"), true),
        ] {
            assert_eq!(one.overlaps(&other), overlap, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), overlap, "{other:?} {one:?}");
        }
    }

    #[test]
    fn an_edit_that_does_not_apply_is_an_error() {
        for (edit, message) in [
            (Set("/a/z", "2"), "/a/z is not in the record"),
            (Set("/a/x~1y", "1"), "/a/x~1y is 1 already"),
            (Set("/a/x~1y", "{"), "not JSON: {"),
            (Add("/a/text", "1"), "/a/text is there already"),
            (Add("/b/text", "1"), "/b is not in the record"),
            (Add("/list/0", "1"), "/list is not an object"),
            (Remove("/a/z"), "/a/z is not in the record"),
            (Append("/a", "1"), "/a is not a list"),
            (Append("/list", "\"p\""), "/list has \"p\" already"),
            (RemoveItem("/list", "\"z\""), "/list has no \"z\""),
            (
                Replace("/a/text", "three", ""),
                "/a/text has \"three\" in 0 places, not in one",
            ),
            (
                Replace("/a/text", "two", ""),
                "/a/text has \"two\" in 2 places, not in one",
            ),
            (
                Line("/a/text", "three", ""),
                "/a/text has \"three\" in 0 lines, not in one",
            ),
            (
                Line("/a/text", "two", "one two two"),
                "\"one two two\" would stay as it is",
            ),
            (Replace("/list", "p", ""), "/list is not a text"),
            (
                Replace("/a/text", "one", "one"),
                "\"one\" would stay as it is",
            ),
        ] {
            assert_eq!(after(edit).unwrap_err(), message);
        }
    }
}
