//! When a decision is due: in business hours, Monday to Friday, in the portal's own time zone.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use entities::enums::ApprovalLevel;

use crate::{Problem, ProblemCode};

/// The hours of a business day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusinessHours {
    zone: Tz,
    open: NaiveTime,
    close: NaiveTime,
}

impl BusinessHours {
    /// `zone`: of the IANA database; `hours`: `09:00-17:00`.
    pub fn parse(zone: &str, hours: &str) -> Result<Self, Problem> {
        let zone = zone.parse().map_err(|_| {
            let say = "must be a time zone of the IANA database, such as Europe/Berlin";
            Problem::new(ProblemCode::Invalid, "settings.timeZone", say)
        })?;
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        let parts = hours.split_once('-').and_then(|(open, close)| time(open).zip(time(close)));
        match parts.filter(|(open, close)| open < close) {
            Some((open, close)) => Ok(Self { zone, open, close }),
            None => {
                let say = "must be two times of a day, the earlier first, such as 09:00-17:00";
                Err(Problem::new(ProblemCode::Invalid, "settings.businessHours", say))
            }
        }
    }

    /// The moment that is so many business hours after another.
    pub fn after_hours(&self, from: DateTime<Utc>, hours: i32) -> DateTime<Utc> {
        let mut left = TimeDelta::hours(hours.into());
        let mut at = from.with_timezone(&self.zone).naive_local();
        loop {
            let day = at.date();
            let start = at.max(day.and_time(self.open));
            let close = day.and_time(self.close);
            if is_business_day(day) && start < close {
                if close - start >= left {
                    return self.utc(start + left);
                }
                left -= close - start;
            }
            match next(day) {
                Some(tomorrow) => at = tomorrow.and_time(self.open),
                None => return from,
            }
        }
    }

    /// The end of business so many business days after another moment's day; work that comes in after hours counts as the
    /// next business day's.
    pub fn after_days(&self, from: DateTime<Utc>, days: i32) -> DateTime<Utc> {
        let at = from.with_timezone(&self.zone).naive_local();
        let mut day = at.date();
        let mut left = days;
        if !is_business_day(day) || at.time() >= self.close {
            left += 1;
        }
        while left > 0 {
            match next(day) {
                Some(tomorrow) => day = tomorrow,
                None => return from,
            }
            left -= i32::from(is_business_day(day));
        }
        self.utc(day.and_time(self.close))
    }

    /// When a request of this level is due.
    pub fn due(&self, from: DateTime<Utc>, level: ApprovalLevel, hours: i32, days: i32) -> DateTime<Utc> {
        match level {
            ApprovalLevel::Automatic | ApprovalLevel::Standard => self.after_hours(from, hours),
            ApprovalLevel::Formal => self.after_days(from, days),
        }
    }

    /// A time that a clock change skips is taken for the first one after it.
    fn utc(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let there = |local: NaiveDateTime| self.zone.from_local_datetime(&local).earliest();
        let at = there(local).or_else(|| there(local + TimeDelta::hours(1)));
        at.map_or_else(|| local.and_utc(), |at| at.to_utc())
    }
}

fn is_business_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn next(day: NaiveDate) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn hours_run_while_the_office_is_open() {
        let utc = BusinessHours::parse("UTC", "09:00-17:00").expect("hours");
        for (from, hours, due) in [
            // A Wednesday.
            ("2026-01-07T10:00:00Z", 4, "2026-01-07T14:00:00Z"),
            ("2026-01-07T09:00:00Z", 8, "2026-01-07T17:00:00Z"),
            ("2026-01-07T10:00:00Z", 8, "2026-01-08T10:00:00Z"),
            ("2026-01-07T05:00:00Z", 8, "2026-01-07T17:00:00Z"),
            ("2026-01-07T20:00:00Z", 1, "2026-01-08T10:00:00Z"),
            // Friday to Monday.
            ("2026-01-09T16:00:00Z", 2, "2026-01-12T10:00:00Z"),
            ("2026-01-10T12:00:00Z", 8, "2026-01-12T17:00:00Z"),
        ] {
            assert_eq!(utc.after_hours(at(from), hours), at(due), "{from} {hours}");
        }
        let berlin = BusinessHours::parse("Europe/Berlin", "09:00-17:00").expect("hours");
        assert_eq!(berlin.after_hours(at("2026-01-07T10:00:00Z"), 5), at("2026-01-07T15:00:00Z"));
        // The clocks go forward in the night to Sunday, 29 March.
        assert_eq!(berlin.after_hours(at("2026-03-27T15:00:00Z"), 2), at("2026-03-30T08:00:00Z"));
    }

    #[test]
    fn days_end_with_business() {
        let utc = BusinessHours::parse("UTC", "09:00-17:00").expect("hours");
        for (from, days, due) in [
            ("2026-01-07T10:00:00Z", 5, "2026-01-14T17:00:00Z"),
            ("2026-01-07T18:00:00Z", 5, "2026-01-15T17:00:00Z"),
            ("2026-01-10T10:00:00Z", 1, "2026-01-13T17:00:00Z"),
            ("2026-01-09T10:00:00Z", 0, "2026-01-09T17:00:00Z"),
        ] {
            assert_eq!(utc.after_days(at(from), days), at(due), "{from} {days}");
        }
    }

    #[test]
    fn what_is_no_zone_and_no_hours_is_said() {
        for (zone, hours) in [("Mars/Base", "09:00-17:00"), ("UTC", "9-5"), ("UTC", "17:00-09:00"), ("UTC", "09:00-09:00")] {
            assert!(BusinessHours::parse(zone, hours).is_err(), "{zone} {hours}");
        }
    }
}
