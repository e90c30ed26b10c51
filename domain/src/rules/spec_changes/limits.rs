//! Bounds on numbers, lengths and counts: to tighten one breaks what is sent, to loosen one what is answered.

use serde_json::{Map, Value};

/// Keyword, what it is called, whether it is an upper bound.
const BOUNDS: [(&str, &str, bool); 8] = [
    ("minimum", "minimum", false),
    ("maximum", "maximum", true),
    ("minLength", "minimum length", false),
    ("maxLength", "maximum length", true),
    ("minItems", "minimum number of items", false),
    ("maxItems", "maximum number of items", true),
    ("minProperties", "minimum number of properties", false),
    ("maxProperties", "maximum number of properties", true),
];

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits<'v> {
    bounds: [Option<Bound>; 8],
    multiple_of: Option<f64>,
    pattern: Option<&'v str>,
    unique: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    at: f64,
    exclusive: bool,
}

/// A limit that is not what it was. Both: neither the old nor the new values are all among the others.
#[derive(Debug, PartialEq)]
pub struct Moved {
    pub text: String,
    pub tightened: bool,
    pub loosened: bool,
}

impl<'v> Limits<'v> {
    pub fn read(&mut self, map: &'v Map<String, Value>) {
        for (slot, (keyword, _, upper)) in self.bounds.iter_mut().zip(BOUNDS) {
            let own = map.get(keyword).and_then(Value::as_f64).map(|at| Bound { at, exclusive: false });
            let exclusive = match keyword {
                "minimum" => map.get("exclusiveMinimum"),
                "maximum" => map.get("exclusiveMaximum"),
                _ => None,
            };
            // A flag in 3.0, a number of its own later.
            let own = match exclusive {
                Some(Value::Bool(exclusive)) => own.map(|bound| Bound { exclusive: *exclusive, ..bound }),
                Some(Value::Number(at)) => at.as_f64().map(|at| Bound { at, exclusive: true }),
                _ => own,
            };
            // No list has fewer than no items.
            let own = own.filter(|bound| upper || keyword == "minimum" || bound.at > 0.0);
            *slot = slot.or(own);
        }
        self.multiple_of = self.multiple_of.or(map.get("multipleOf").and_then(Value::as_f64));
        self.pattern = self.pattern.or(map.get("pattern").and_then(Value::as_str));
        self.unique |= map.get("uniqueItems") == Some(&Value::Bool(true));
    }

    pub fn moved(&self, new: &Self) -> Vec<Moved> {
        let mut moved = Vec::new();
        for ((before, after), (_, name, upper)) in self.bounds.iter().zip(&new.bounds).zip(BOUNDS) {
            let step = step(*before, *after, upper);
            if step != 0 {
                let text = described(name, before.map(|bound| bound.at), after.map(|bound| bound.at));
                moved.push(Moved { text, tightened: step > 0, loosened: step < 0 });
            }
        }
        if self.multiple_of != new.multiple_of {
            let whole = |of: Option<f64>, by: Option<f64>| match (of, by) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(of), Some(by)) => (of / by).fract() == 0.0,
            };
            let text = described("multiple", self.multiple_of, new.multiple_of);
            let (tightened, loosened) = (!whole(self.multiple_of, new.multiple_of), !whole(new.multiple_of, self.multiple_of));
            moved.push(Moved { text, tightened, loosened });
        }
        match (self.pattern, new.pattern) {
            (before, after) if before == after => {}
            // Of two patterns it is not known which takes more; callers do not check what they are answered.
            (Some(before), Some(after)) => moved.push(Moved {
                text: format!("changed its pattern from `{before}` to `{after}`"),
                tightened: true,
                loosened: false,
            }),
            (None, after) => moved.push(Moved {
                text: format!("must now match the pattern `{}`", after.unwrap_or_default()),
                tightened: true,
                loosened: false,
            }),
            (Some(before), None) => moved.push(Moved {
                text: format!("no longer has to match the pattern `{before}`"),
                tightened: false,
                loosened: false,
            }),
        }
        if self.unique != new.unique {
            let text =
                if new.unique { "must now have items that differ from each other" } else { "may now have the same item twice" };
            moved.push(Moved { text: text.to_owned(), tightened: new.unique, loosened: self.unique });
        }
        moved
    }
}

/// Above 0: takes less than before.
fn step(before: Option<Bound>, after: Option<Bound>, upper: bool) -> i8 {
    match (before, after) {
        (None, None) => 0,
        (None, Some(_)) => 1,
        (Some(_), None) => -1,
        (Some(before), Some(after)) => {
            let sign = if upper { -1.0 } else { 1.0 };
            let (moved, closed) = (sign * (after.at - before.at), i8::from(after.exclusive) - i8::from(before.exclusive));
            if moved == 0.0 { closed } else { moved.signum() as i8 }
        }
    }
}

fn described(name: &str, before: Option<f64>, after: Option<f64>) -> String {
    match (before, after) {
        (Some(before), Some(after)) if before == after => format!("changed whether its {name} {after} is included"),
        (Some(before), Some(after)) => format!("changed its {name} from {before} to {after}"),
        (None, after) => format!("now has a {name} of {}", after.unwrap_or_default()),
        (Some(before), None) => format!("no longer has a {name} (was {before})"),
    }
}
