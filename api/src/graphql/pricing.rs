//! What a plan costs.

use async_graphql::{InputObject, SimpleObject};
use entities::columns;

use crate::graphql::{
    enums::{BillingInterval, PricingModel},
    scalars::{BigInt, Url},
};

/// Amounts in minor units of the currency. Which of the fields there are is the model's.
#[derive(SimpleObject)]
pub struct Pricing {
    model: PricingModel,
    /// ISO 4217.
    currency: Option<String>,
    /// For each interval.
    amount: Option<BigInt>,
    interval: Option<BillingInterval>,
    /// What is counted: a call, a document.
    unit_label: Option<String>,
    /// Units that the amount pays for; the tiers are for those beyond.
    included_units: Option<BigInt>,
    /// Lowest first.
    tiers: Vec<PriceTier>,
    /// Where a contract is asked for.
    contact_url: Option<Url>,
}

#[derive(SimpleObject)]
pub struct PriceTier {
    /// Its last unit; null: without end.
    up_to: Option<BigInt>,
    unit_amount: BigInt,
    flat_amount: BigInt,
}

/// Amounts in minor units of the currency. What a model needs has to be there, and nothing else.
#[derive(InputObject)]
pub struct PricingInput {
    model: PricingModel,
    /// ISO 4217.
    currency: Option<String>,
    amount: Option<BigInt>,
    interval: Option<BillingInterval>,
    unit_label: Option<String>,
    included_units: Option<BigInt>,
    tiers: Option<Vec<PriceTierInput>>,
    contact_url: Option<Url>,
}

#[derive(InputObject)]
pub struct PriceTierInput {
    /// Its last unit; left out of the last tier, which has no end.
    up_to: Option<BigInt>,
    unit_amount: BigInt,
    flat_amount: BigInt,
}

impl From<columns::Pricing> for Pricing {
    fn from(row: columns::Pricing) -> Self {
        let tier = |tier: columns::PriceTier| PriceTier {
            up_to: tier.up_to.map(BigInt),
            unit_amount: BigInt(tier.unit_amount),
            flat_amount: BigInt(tier.flat_amount),
        };
        Self {
            model: row.model.into(),
            currency: row.currency,
            amount: row.amount.map(BigInt),
            interval: row.interval.map(Into::into),
            unit_label: row.unit_label,
            included_units: row.included_units.map(BigInt),
            tiers: row.tiers.into_iter().map(tier).collect(),
            contact_url: row.contact_url.map(Url),
        }
    }
}

impl From<PricingInput> for columns::Pricing {
    fn from(input: PricingInput) -> Self {
        let tier = |tier: PriceTierInput| columns::PriceTier {
            up_to: tier.up_to.map(|to| to.0),
            unit_amount: tier.unit_amount.0,
            flat_amount: tier.flat_amount.0,
        };
        Self {
            model: input.model.into(),
            currency: input.currency,
            amount: input.amount.map(|amount| amount.0),
            interval: input.interval.map(Into::into),
            unit_label: input.unit_label,
            included_units: input.included_units.map(|units| units.0),
            tiers: input.tiers.unwrap_or_default().into_iter().map(tier).collect(),
            contact_url: input.contact_url.map(|url| url.0),
        }
    }
}
