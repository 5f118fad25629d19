//! What was spent, grouped.

use crate::support::*;
use leadflow_activities::gate::{CallId, PaidCall, Settled, UsageFilter, UsageRow};
use leadflow_activities::providers::Billed;
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;

#[tokio::test]
async fn usage_is_summed_by_day_search_provider_and_operation() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        for request in ["a", "b"] {
            vendor.call(&gate, paid_call(request)).await.unwrap();
        }
        abandon(&gate, paid_call("lost"), &vendor).await;
        let error = failure("rate_limited", Some(429), Billed::No);
        gate.call(paid_call("limited"), async |_: CallId| Err::<Settled<u32>, _>(error)).await.unwrap_err();
        let serper = PaidCall { provider: Provider::Serper, operation: "businesses", ..paid_call("maps") };
        vendor.call(&gate, serper).await.unwrap();
        let tomorrow = gate_at(&store, MIDNIGHT_MS, &PLENTY);
        let other_search = PaidCall { tenant: "other", search_id: "search-2", scope: "search-2", ..paid_call("a") };
        vendor.call(&tomorrow, other_search).await.unwrap();

        let reasons = UsageRow {
            provider: "openai".to_owned(),
            operation: "lead_reasons".to_owned(),
            search_id: "search-1".to_owned(),
            day: "2026-03-14".to_owned(),
            calls: 4,
            input_tokens: 140,
            output_tokens: 40,
            credits: 2,
            cost: MicroUsd(2 * COST.0 + BOUND.0),
            presumed_calls: 1,
            presumed_cost: BOUND,
        };
        let once = UsageRow {
            calls: 1,
            input_tokens: 70,
            output_tokens: 20,
            credits: 1,
            cost: COST,
            presumed_calls: 0,
            presumed_cost: MicroUsd::ZERO,
            ..reasons.clone()
        };
        let maps = UsageRow { provider: "serper".to_owned(), operation: "businesses".to_owned(), ..once.clone() };
        let next_day = UsageRow { search_id: "search-2".to_owned(), day: "2026-03-15".to_owned(), ..once };
        let all = UsageFilter::default();
        let usage = async |filter| gate.usage(filter).await.unwrap();
        assert_eq!(usage(all).await, [reasons.clone(), maps.clone(), next_day.clone()]);
        let first_day = [reasons, maps];
        assert_eq!(usage(UsageFilter { tenant: Some("acme"), ..all }).await, first_day);
        assert_eq!(usage(UsageFilter { search_id: Some("search-1"), ..all }).await, first_day);
        assert_eq!(usage(UsageFilter { to_day: Some("2026-03-14"), ..all }).await, first_day);
        assert_eq!(usage(UsageFilter { from_day: Some("2026-03-15"), ..all }).await, [next_day]);
        assert_eq!(usage(UsageFilter { search_id: Some("search-3"), ..all }).await, []);

        let total = first_day.iter().map(|row| row.cost).sum::<MicroUsd>();
        assert_eq!(gate.cost_of_search("acme", "search-1").await.unwrap(), total);
        assert_eq!(gate.cost_of_search("acme", "search-3").await.unwrap(), MicroUsd::ZERO);
        assert_eq!(gate.budgets("acme", Some("search-1")).await.unwrap()[2].booked, total);
    })
    .await;
}
