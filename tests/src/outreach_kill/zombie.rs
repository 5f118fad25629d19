//! A worker that hangs in its calls until another has taken over, and then goes on with them.

use super::{LOOK_EVERY, Running, faults, rest};
use crate::lab::{LIMIT, Lab, OrSay};
use anyhow::Context;
use leadflow_activities::store::touches::Touch;
use leadflow_sandbox::{FaultKind, FaultRule, Provider};
use leadflow_workflows::domain::outreach::TouchState;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// Of so many sends one hangs until the worker does.
const HANGING: f64 = 0.5;
/// A store that takes this long to write belongs to somebody who is not running.
const WRITES_WITHIN: Duration = Duration::from_secs(1);
/// Calls that both workers make together, at the least.
const CALLS_TOGETHER: usize = 5;

/// Stops the worker with SIGSTOP while it has claimed contacts, has another take over once their activities are lost, lets
/// the first go on, and then kills one of both. Says what was done; `None` when there were no contacts left to make.
pub(super) async fn zombie(
    lab: &mut Lab,
    campaigns: &[Running],
    number: u32,
    seed: u64,
) -> anyhow::Result<Option<String>> {
    let first = lab.stack.worker_pid().context("a worker runs")?;
    let fault = if number.is_multiple_of(2) { FaultKind::TimeoutAfter } else { FaultKind::TimeoutBefore };
    let mut hanging = faults(seed);
    for operation in ["send_", "start_chat"] {
        let rule = FaultRule::new(Provider::Unipile, fault);
        let rule = FaultRule { operation: Some(operation.to_owned()), probability: HANGING, ..rule };
        hanging.rules.insert(0, rule);
    }
    lab.sandbox().set_faults(hanging);
    let hung = stopped(lab, campaigns, first).await?;
    lab.sandbox().set_faults(faults(seed));
    let Some(hung) = hung else { return Ok(None) };

    let (stopped, calls) = (Instant::now(), lab.ledger().len());
    let mut second = lab.stack.spawn_worker(&[]).await.or_say()?;
    let start_to_close = Duration::from_millis(lab.stack.config.timings.touch_activity_ms);
    lab.until("another worker takes over", async || {
        let is_lost = stopped.elapsed() > start_to_close && lab.ledger().len() > calls;
        Ok((is_lost && is_taken_over(lab, campaigns, &hung).await?).then_some(()))
    })
    .await?;
    signal(first, Signal::SIGCONT)?;
    let calls = lab.ledger().len() + CALLS_TOGETHER;
    lab.until_within(LIMIT, LOOK_EVERY, "both workers make calls", async || {
        Ok((lab.ledger().len() >= calls || rest(lab, campaigns).await?.is_none()).then_some(()))
    })
    .await?;
    let killed = if number.is_multiple_of(2) {
        second.kill().await?;
        "second"
    } else {
        let mut first = lab.stack.replace_worker(second).context("the first worker is there")?;
        first.kill().await?;
        "first"
    };
    Ok(Some(format!("{} contact(s) hung in {fault:?}, the {killed} was killed", hung.len())))
}

/// Stops the worker when it has claimed contacts that are not settled, and does not lock the store.
async fn stopped(lab: &Lab, campaigns: &[Running], worker: u32) -> anyhow::Result<Option<Vec<Touch>>> {
    let since_ms = lab.stack.clock.now_ms();
    lab.until("a worker hangs in a call", async || {
        if claimed(lab, campaigns, since_ms).await?.is_empty() {
            return Ok(rest(lab, campaigns).await?.is_none().then_some(None));
        }
        signal(worker, Signal::SIGSTOP)?;
        // Changes nothing: there is no such search.
        let mut write = Box::pin(lab.stack.store.wish(lab.tenant(), "none", false));
        let is_free = tokio::time::timeout(WRITES_WITHIN, &mut write).await.is_ok();
        let hung = claimed(lab, campaigns, since_ms).await?;
        if is_free && !hung.is_empty() {
            return Ok(Some(Some(hung)));
        }
        signal(worker, Signal::SIGCONT)?;
        if !is_free {
            write.await?;
        }
        Ok(None)
    })
    .await
}

/// Contacts that were claimed since then, and whose call may be on its way.
async fn claimed(lab: &Lab, campaigns: &[Running], since_ms: i64) -> anyhow::Result<Vec<Touch>> {
    let mut claimed = Vec::new();
    for account in campaigns.iter().flat_map(|campaign| &campaign.accounts) {
        claimed.extend(lab.stack.store.touches_in_doubt(lab.tenant(), account).await?);
    }
    claimed.retain(|touch| touch.state == TouchState::Calling && touch.called_at_ms >= Some(since_ms));
    Ok(claimed)
}

/// Whether another attempt holds or has settled one of these, or needs not, because its enrollment has ended.
async fn is_taken_over(lab: &Lab, campaigns: &[Running], hung: &[Touch]) -> anyhow::Result<bool> {
    let mut enrollments = Vec::new();
    for campaign in campaigns {
        enrollments.extend(lab.enrollments(&campaign.id).await?);
    }
    for was in hung {
        let touches = lab.stack.store.touches(lab.tenant(), &was.enrollment_id).await?;
        let is_same = |touch: &Touch| touch.id == was.id && touch.token == was.token && touch.state == was.state;
        let is_open = enrollments.iter().any(|enrollment| enrollment.id == was.enrollment_id && enrollment.is_open);
        if !is_open || !touches.iter().any(is_same) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn signal(process: u32, signal: Signal) -> anyhow::Result<()> {
    Ok(kill(Pid::from_raw(process.try_into()?), signal)?)
}
