//! How far partners get, and how long it takes them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entities::enums::{OnboardingStage, SupportTopic};

/// How long after its invitation a partner's support requests are counted.
pub const SUPPORT_COUNTED: TimeDelta = TimeDelta::days(30);

/// A partner that was invited.
#[derive(Debug, Clone)]
pub struct Partner {
    pub invited_at: DateTime<Utc>,
    /// Each stage, when it was first reached.
    pub reached: BTreeMap<OnboardingStage, DateTime<Utc>>,
    pub support_requests: Vec<(SupportTopic, DateTime<Utc>)>,
    /// From each submission to a reviewer's decision.
    pub reviews: Vec<TimeDelta>,
}

/// How partners fared. Times are in seconds from the invitation, of those who got that far; `None` where nobody did.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    pub partners: usize,
    pub median_to_first_sandbox_call: Option<f64>,
    pub median_to_first_production_call: Option<f64>,
    pub p90_to_first_production_call: Option<f64>,
    /// In seconds, from a submission to a reviewer's decision.
    pub median_review: Option<f64>,
    /// Within [`SUPPORT_COUNTED`]; 0 without partners.
    pub support_requests_per_partner: f64,
    /// The same requests, the most frequent topic first.
    pub support_by_topic: Vec<(SupportTopic, usize)>,
    /// How many reached each stage, in the order of the way. A team may pass without one: not every plan has a sandbox.
    pub funnel: Vec<(OnboardingStage, usize)>,
}

/// Where a team stands: the last on the way of the stages it reached. Every team was invited, or founded itself.
pub fn furthest(reached: impl IntoIterator<Item = OnboardingStage>) -> OnboardingStage {
    reached.into_iter().max().unwrap_or(OnboardingStage::Invited)
}

/// What comes after a stage.
pub fn later(stage: OnboardingStage) -> Vec<OnboardingStage> {
    OnboardingStage::ALL.into_iter().filter(|other| *other > stage).collect()
}

pub fn metrics(partners: &[Partner]) -> Metrics {
    let sandbox = seconds_to(partners, OnboardingStage::FirstSandboxCall);
    let production = seconds_to(partners, OnboardingStage::FirstProductionCall);
    let mut topics: BTreeMap<SupportTopic, usize> = BTreeMap::new();
    for partner in partners {
        let counted = |at: DateTime<Utc>| at >= partner.invited_at && at < partner.invited_at + SUPPORT_COUNTED;
        for (topic, _) in partner.support_requests.iter().filter(|(_, at)| counted(*at)) {
            *topics.entry(*topic).or_default() += 1;
        }
    }
    let requests: usize = topics.values().sum();
    let mut support_by_topic: Vec<_> = topics.into_iter().collect();
    support_by_topic.sort_by_key(|(topic, count)| (std::cmp::Reverse(*count), *topic));
    let reviews = ascending(partners.iter().flat_map(|partner| partner.reviews.iter().copied()));
    let reached = |stage| partners.iter().filter(|partner| partner.reached.contains_key(&stage)).count();
    Metrics {
        partners: partners.len(),
        median_to_first_sandbox_call: percentile(&sandbox, 0.5),
        median_to_first_production_call: percentile(&production, 0.5),
        p90_to_first_production_call: percentile(&production, 0.9),
        median_review: percentile(&reviews, 0.5),
        support_requests_per_partner: if partners.is_empty() { 0.0 } else { requests as f64 / partners.len() as f64 },
        support_by_topic,
        funnel: OnboardingStage::ALL.map(|stage| (stage, reached(stage))).to_vec(),
    }
}

/// From the invitation to this stage, of the partners that reached it; shortest first.
fn seconds_to(partners: &[Partner], stage: OnboardingStage) -> Vec<f64> {
    ascending(partners.iter().filter_map(|partner| Some(*partner.reached.get(&stage)? - partner.invited_at)))
}

/// In seconds, shortest first.
fn ascending(times: impl Iterator<Item = TimeDelta>) -> Vec<f64> {
    let mut seconds: Vec<_> = times.map(|time| time.num_milliseconds().max(0) as f64 / 1000.0).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

/// The value that a share of these ascending values does not exceed; between two of them in proportion, as SQL's
/// `percentile_cont` has it.
fn percentile(ascending: &[f64], share: f64) -> Option<f64> {
    let place = share * ascending.len().checked_sub(1)? as f64;
    let (below, above) = (ascending[place.floor() as usize], ascending[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use OnboardingStage::{
        Approved, FirstProductionCall, FirstSandboxCall, Invited, ProductionCredential, SandboxCredential, SignedIn, Submitted,
    };
    use SupportTopic::{Billing, Credentials, Other};

    fn partner(stages: &[(OnboardingStage, i64)], requests: &[(SupportTopic, i64)]) -> Partner {
        let start = DateTime::from_timestamp(1_767_603_600, 0).expect("a time");
        let after = |seconds: i64| start + TimeDelta::seconds(seconds);
        Partner {
            invited_at: start,
            reached: stages.iter().map(|(stage, seconds)| (*stage, after(*seconds))).collect(),
            reviews: Vec::new(),
            support_requests: requests.iter().map(|(topic, seconds)| (*topic, after(*seconds))).collect(),
        }
    }

    #[test]
    fn the_median_review_is_of_all_partners_submissions() {
        let reviewed =
            |hours: &[i64]| Partner { reviews: hours.iter().copied().map(TimeDelta::hours).collect(), ..partner(&[], &[]) };
        assert_eq!(metrics(&[reviewed(&[8, 1]), reviewed(&[]), reviewed(&[2])]).median_review, Some(7_200.0));
        assert_eq!(metrics(&[reviewed(&[])]).median_review, None);
    }

    #[test]
    fn all_stages_are_there_in_the_order_of_the_way() {
        use sea_orm::Iterable;
        assert_eq!(OnboardingStage::iter().collect::<Vec<_>>(), OnboardingStage::ALL);
        assert!(OnboardingStage::ALL.is_sorted());
    }

    #[test]
    fn a_team_stands_where_it_got_furthest() {
        for (reached, stage) in [
            (vec![], Invited),
            (vec![Invited], Invited),
            (vec![FirstSandboxCall, Invited, SignedIn], FirstSandboxCall),
            (vec![ProductionCredential, SandboxCredential], ProductionCredential),
            (OnboardingStage::ALL.to_vec(), FirstProductionCall),
        ] {
            assert_eq!(furthest(reached.clone()), stage, "{reached:?}");
        }
        assert_eq!(later(Submitted), [Approved, ProductionCredential, FirstProductionCall]);
        assert_eq!(later(FirstProductionCall), []);
    }

    #[test]
    fn percentiles() {
        let tens: Vec<f64> = (1..=10).map(f64::from).collect();
        for (values, share, expected) in [
            (&[][..], 0.5, None),
            (&[7.0], 0.5, Some(7.0)),
            (&[7.0], 0.9, Some(7.0)),
            (&[1.0, 2.0], 0.5, Some(1.5)),
            (&[1.0, 2.0, 9.0], 0.5, Some(2.0)),
            (&tens, 0.5, Some(5.5)),
            (&tens, 0.9, Some(9.1)),
            (&tens, 0.0, Some(1.0)),
            (&tens, 1.0, Some(10.0)),
        ] {
            assert_eq!(percentile(values, share), expected, "{share} of {values:?}");
        }
    }

    #[test]
    fn how_partners_fared() {
        let day = 86_400;
        let partners = [
            partner(&[(Invited, 0), (SignedIn, 60), (FirstSandboxCall, 600), (FirstProductionCall, 7 * day)], &[]),
            partner(
                &[(Invited, 0), (SignedIn, 90), (FirstSandboxCall, 1800)],
                &[(Other, 5), (Credentials, 9), (Billing, 30 * day)],
            ),
            partner(&[(Invited, 0), (FirstProductionCall, 3 * day)], &[(Credentials, 30 * day - 1), (Other, -1)]),
            partner(&[(Invited, 0)], &[]),
        ];
        let seen = metrics(&partners);
        assert_eq!(seen.partners, 4);
        assert_eq!(seen.median_to_first_sandbox_call, Some(1200.0));
        assert_eq!(seen.median_to_first_production_call, Some(5.0 * 86_400.0));
        assert_eq!(seen.p90_to_first_production_call, Some((3.0 + 4.0 * 0.9) * 86_400.0));
        assert_eq!(seen.support_requests_per_partner, 0.75, "the thirty days end, and begin with the invitation");
        assert_eq!(seen.support_by_topic, [(Credentials, 2), (Other, 1)]);
        let counts: Vec<_> = seen.funnel.iter().map(|(_, teams)| *teams).collect();
        assert_eq!(counts, [4, 2, 0, 2, 0, 0, 0, 2]);
        let nobody = metrics(&[]);
        assert_eq!((nobody.partners, nobody.support_requests_per_partner), (0, 0.0));
        assert_eq!((nobody.median_to_first_sandbox_call, nobody.support_by_topic), (None, vec![]));
    }
}
