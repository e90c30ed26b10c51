//! Numbers between their bounds.

use serde_json::{Map, Number, Value};

use super::Maker;
use crate::rules::mock::check::is_set;

impl Maker<'_> {
    pub(super) fn number(&mut self, map: &Map<String, Value>, whole: bool) -> Option<Value> {
        let of = |key: &str| map.get(key).and_then(Value::as_f64);
        let step = of("multipleOf").filter(|step| *step > 0.0).unwrap_or(1.0);
        let (low, over) = bound(of("minimum"), of("exclusiveMinimum"), is_set(map, "exclusiveMinimum"), f64::max);
        let (high, under) = bound(of("maximum"), of("exclusiveMaximum"), is_set(map, "exclusiveMaximum"), f64::min);
        // A whole number where there is one: it is written the same everywhere.
        let whole_step = if step.fract() == 0.0 {
            step
        } else {
            (1..=1_000).map(f64::from).find(|n| (n / step).fract() == 0.0).unwrap_or(step)
        };
        for step in [whole_step, step] {
            if let Some(value) = self.multiple(step, (low, over), (high, under)) {
                // The second try: where a whole number also fits an alternative of its own.
                let fraction =
                    !whole && self.turn == 1 && !map.contains_key("multipleOf") && high.is_none_or(|high| value + 0.5 < high);
                return number(if fraction { value + 0.5 } else { value });
            }
        }
        if whole {
            return None;
        }
        // Between two neighbours there are only fractions.
        match (low, high) {
            (Some(low), Some(high)) if low < high => number(low + (high - low) / 2.0),
            (Some(low), _) if !over => number(low),
            (_, Some(high)) if !under => number(high),
            _ => None,
        }
    }

    /// A multiple within the bounds, near the lower one or 1.
    fn multiple(&mut self, step: f64, low: (Option<f64>, bool), high: (Option<f64>, bool)) -> Option<f64> {
        const SPREAD: u64 = 100;
        let least = low.0.map(|bound| {
            let times = (bound / step).ceil();
            if low.1 && times * step <= bound { times + 1.0 } else { times }
        });
        let most = high.0.map(|bound| {
            let times = (bound / step).floor();
            if high.1 && times * step >= bound { times - 1.0 } else { times }
        });
        let from = match (least, most) {
            (Some(least), _) => least,
            (None, Some(most)) => most.min(1.0 + SPREAD as f64) - SPREAD as f64,
            (None, None) => 1.0,
        };
        let from =
            if low.0.is_none_or(|low| low <= 1.0) && most.is_none_or(|most| most >= 1.0) && from < 1.0 { 1.0 } else { from };
        let room = most.map_or(SPREAD, |most| if most < from { 0 } else { (most - from).min(SPREAD as f64) as u64 });
        if most.is_some_and(|most| most < from) {
            return None;
        }
        Some((from + self.random.below(room + 1) as f64) * step)
    }
}

/// The nearer of two bounds, and whether it is itself excluded.
fn bound(including: Option<f64>, excluding: Option<f64>, excludes: bool, nearer: fn(f64, f64) -> f64) -> (Option<f64>, bool) {
    match (including, excluding) {
        (Some(a), Some(b)) => (Some(nearer(a, b)), nearer(a, b) == b),
        (Some(a), None) => (Some(a), excludes),
        (None, b) => (b, true),
    }
}

fn number(value: f64) -> Option<Value> {
    // Up to here every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Some(Value::Number((value as i64).into()));
    }
    Number::from_f64(value).map(Value::Number)
}
