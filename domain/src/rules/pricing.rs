//! What a price has to say, model by model.

use entities::{
    columns::{PriceTier, Pricing},
    enums::PricingModel,
};

use super::{plan::MAX_QUOTA, text};
use crate::{ProblemCode, error::Problems};

const MAX_TIERS: usize = 20;

/// Whether subscribers pay again and again: then access waits for the first payment.
pub fn recurring(model: PricingModel) -> bool {
    match model {
        PricingModel::Free | PricingModel::Contract | PricingModel::PrepaidCredits => false,
        PricingModel::FlatFee | PricingModel::Volume | PricingModel::Graduated | PricingModel::FlatFeeOverage => true,
    }
}

/// Which fields a model has. Those that it has are required.
#[derive(Default)]
struct Fields {
    /// Currency and interval.
    recurring: bool,
    amount: bool,
    unit_label: bool,
    included_units: bool,
    tiers: bool,
    contact_url: bool,
}

fn fields(model: PricingModel) -> Fields {
    let none = Fields { recurring: recurring(model), ..Fields::default() };
    match model {
        PricingModel::Free => none,
        PricingModel::Contract => Fields { contact_url: true, ..none },
        // What a credit is worth is the packs' matter; a unit costs one.
        PricingModel::PrepaidCredits => Fields { unit_label: true, ..none },
        PricingModel::FlatFee => Fields { amount: true, ..none },
        PricingModel::Volume | PricingModel::Graduated => Fields { unit_label: true, tiers: true, ..none },
        // The tiers are the price of the units beyond those that are included.
        PricingModel::FlatFeeOverage => Fields { amount: true, unit_label: true, included_units: true, tiers: true, ..none },
    }
}

/// The price as it is kept; what is wrong with it is noted under `pricing`.
pub fn check(problems: &mut Problems, given: &Pricing) -> Pricing {
    let has = fields(given.model);
    let model = text::word(given.model);
    let mut needs = |wanted: bool, is_given: bool, field: &str| {
        let path = format!("pricing.{field}");
        match (wanted, is_given) {
            (true, false) => problems.add(ProblemCode::Required, &path, format!("a {model} price needs it")),
            (false, true) => problems.add(ProblemCode::Invalid, &path, format!("a {model} price has none: leave it out")),
            _ => {}
        }
    };
    needs(has.recurring, given.currency.is_some(), "currency");
    needs(has.amount, given.amount.is_some(), "amount");
    needs(has.recurring, given.interval.is_some(), "interval");
    needs(has.unit_label, given.unit_label.is_some(), "unitLabel");
    needs(has.included_units, given.included_units.is_some(), "includedUnits");
    needs(has.tiers, !given.tiers.is_empty(), "tiers");
    needs(has.contact_url, given.contact_url.is_some(), "contactUrl");
    if given.amount.is_some_and(|amount| !(1..=MAX_QUOTA).contains(&amount)) {
        problems.add(ProblemCode::Invalid, "pricing.amount", "must be 1 or more, in minor units of the currency");
    }
    if given.included_units.is_some_and(|units| !(0..=MAX_QUOTA).contains(&units)) {
        problems.add(ProblemCode::Invalid, "pricing.includedUnits", "must be 0 or more");
    }
    tiers(problems, &given.tiers);
    Pricing {
        currency: given.currency.as_deref().and_then(|code| currency(problems, code)),
        unit_label: given.unit_label.as_deref().and_then(|label| problems.take(text::name("pricing.unitLabel", label, 40))),
        contact_url: given.contact_url.as_deref().and_then(|url| problems.take(text::web_url("pricing.contactUrl", url))),
        ..given.clone()
    }
}

fn currency(problems: &mut Problems, code: &str) -> Option<String> {
    let code = code.trim().to_ascii_uppercase();
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
        problems.add(ProblemCode::Invalid, "pricing.currency", "must be a code of three letters (ISO 4217) such as EUR");
        return None;
    }
    Some(code)
}

/// Each tier ends above the one before; the last, and only the last, has no end.
fn tiers(problems: &mut Problems, given: &[PriceTier]) {
    if given.len() > MAX_TIERS {
        problems.add(ProblemCode::LimitReached, "pricing.tiers", format!("at most {MAX_TIERS} tiers"));
    }
    let mut below = 0;
    for (i, tier) in given.iter().enumerate() {
        let path = |field: &str| format!("pricing.tiers.{i}.{field}");
        match (tier.up_to, i + 1 == given.len()) {
            (None, true) => {}
            (Some(_), true) => problems.add(ProblemCode::Invalid, &path("upTo"), "the last tier has no end: leave it out"),
            (None, false) => problems.add(ProblemCode::Required, &path("upTo"), "only the last tier has no end"),
            (Some(to), false) if to <= below => {
                let say = format!("must be more than {below}, where the tier before ends");
                problems.add(ProblemCode::Invalid, &path("upTo"), say);
            }
            (Some(to), false) => below = to,
        }
        for (field, amount) in [("unitAmount", tier.unit_amount), ("flatAmount", tier.flat_amount)] {
            if !(0..=MAX_QUOTA).contains(&amount) {
                problems.add(ProblemCode::Invalid, &path(field), "must be 0 or more, in minor units of the currency");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use entities::enums::BillingInterval;

    use super::*;

    fn tier(up_to: Option<i64>) -> PriceTier {
        PriceTier { up_to, unit_amount: 2, flat_amount: 0 }
    }

    /// A price that says everything.
    fn all(model: PricingModel) -> Pricing {
        Pricing {
            model,
            currency: Some("eur".to_owned()),
            amount: Some(4_900),
            interval: Some(BillingInterval::Month),
            unit_label: Some("call".to_owned()),
            included_units: Some(1_000),
            tiers: vec![tier(Some(100)), tier(None)],
            contact_url: Some("https://example.com/sales".to_owned()),
        }
    }

    fn said(given: &Pricing) -> Vec<String> {
        let mut problems = Problems::default();
        check(&mut problems, given);
        let short = |path: &[String]| path[1..].join(".");
        problems.into_list().iter().map(|p| format!("{} {:?}", short(&p.path), p.code)).collect()
    }

    #[test]
    fn each_model_has_its_fields_and_needs_them() {
        let table: String = [
            PricingModel::Free,
            PricingModel::Contract,
            PricingModel::FlatFee,
            PricingModel::Volume,
            PricingModel::Graduated,
            PricingModel::FlatFeeOverage,
            PricingModel::PrepaidCredits,
        ]
        .map(|model| {
            let needed = said(&Pricing::of(model)).join(", ").replace(" Required", "");
            let useless = said(&all(model)).join(", ").replace(" Invalid", "");
            format!("{model:?} needs [{needed}], has no [{useless}]\n")
        })
        .concat();
        insta::assert_snapshot!(table, @"
        Free needs [], has no [currency, amount, interval, unitLabel, includedUnits, tiers, contactUrl]
        Contract needs [contactUrl], has no [currency, amount, interval, unitLabel, includedUnits, tiers]
        FlatFee needs [currency, amount, interval], has no [unitLabel, includedUnits, tiers, contactUrl]
        Volume needs [currency, interval, unitLabel, tiers], has no [amount, includedUnits, contactUrl]
        Graduated needs [currency, interval, unitLabel, tiers], has no [amount, includedUnits, contactUrl]
        FlatFeeOverage needs [currency, amount, interval, unitLabel, includedUnits, tiers], has no [contactUrl]
        PrepaidCredits needs [unitLabel], has no [currency, amount, interval, includedUnits, tiers, contactUrl]
        ");
    }

    #[test]
    fn what_is_given_is_checked() {
        let overage = Pricing { contact_url: None, ..all(PricingModel::FlatFeeOverage) };
        assert_eq!(said(&overage), [""; 0]);
        assert_eq!(check(&mut Problems::default(), &overage).currency.as_deref(), Some("EUR"));
        let wrong = |change: fn(&mut Pricing)| {
            let mut given = overage.clone();
            change(&mut given);
            said(&given).join(", ")
        };
        assert_eq!(wrong(|p| p.currency = Some("Euro".to_owned())), "currency Invalid");
        assert_eq!(wrong(|p| p.amount = Some(0)), "amount Invalid");
        assert_eq!(wrong(|p| p.included_units = Some(-1)), "includedUnits Invalid");
        assert_eq!(wrong(|p| p.unit_label = Some(" ".to_owned())), "unitLabel Required");
        assert_eq!(wrong(|p| p.tiers[0].up_to = Some(0)), "tiers.0.upTo Invalid");
        assert_eq!(wrong(|p| p.tiers[0].up_to = None), "tiers.0.upTo Required");
        assert_eq!(wrong(|p| p.tiers[1].up_to = Some(200)), "tiers.1.upTo Invalid");
        assert_eq!(wrong(|p| p.tiers.insert(1, tier(Some(100)))), "tiers.1.upTo Invalid");
        assert_eq!(wrong(|p| p.tiers[0].unit_amount = -1), "tiers.0.unitAmount Invalid");
        let contract = Pricing { contact_url: Some("javascript:1".to_owned()), ..Pricing::of(PricingModel::Contract) };
        assert_eq!(said(&contract), ["contactUrl Invalid"]);
    }
}
