//! What one decision costs, by every way there is to make it.

use anyhow::Result;

use super::{compare, each};
use crate::Context;
use crate::contenders::cedar::{Cedar, Grain};
use crate::contenders::empty::Empty;
use crate::contenders::native::{NativeFastPath, NativeReference};
use crate::contenders::rego::Rego;
use crate::contenders::reused::Reused;
use crate::contenders::sandbox::{self, Evaluator};
use crate::contenders::spawned;
use crate::measure::{Answer, Contender};
use crate::report::Section;
use crate::workload::Workload;

/// Operations timed together where one takes less than a microsecond.
const TOGETHER: u32 = 20;

/// The name of the floor in every section.
pub(super) const FLOOR: &str = "floor: two empty components";

/// Under the benchmark's own policy: everybody.
pub(super) fn bench(context: &Context) -> Result<Vec<Section>> {
    let workload = &context.workload;
    let mut reused = Reused::new(context.sandbox.engine(), workload)?;
    let adapter = spawned::adapter(&context.cavra, workload)?;
    let native_reference = NativeReference::new(workload)?;
    let native_fast_path = NativeFastPath::new(workload)?;
    let cedar = Cedar::new(workload, Grain::Pattern)?;
    let cedar_lists = Cedar::new(workload, Grain::List)?;
    let rego = Rego::new(workload)?;
    let mut rego_machine = Rego::new(workload)?;
    let writing = Empty::writing(context.sandbox.engine())?;
    let mut contenders = sandboxed(context, workload)?;
    contenders.extend([
        Contender::new(
            "two components that write three pages each, and nothing else",
            |_| {
                writing.twice()?;
                Ok(Answer::default())
            },
        ),
        Contender {
            name: "both, instances kept (no fresh sandbox)".to_owned(),
            together: 1,
            operation: each(workload, move |request| reused.decide(request)),
        },
        Contender::new("native, no sandbox: reference", |number| {
            native_reference.decide(number)
        })
        .together(TOGETHER),
        Contender::new("native, no sandbox: fast path", |number| {
            native_fast_path.decide(number)
        })
        .together(TOGETHER),
        Contender::new("Cedar, one policy a pattern", |number| cedar.decide(number)),
        Contender::new("Cedar, the same, requests made before", |number| {
            cedar.decide_made(number)
        }),
        Contender::new("Cedar, one policy a list (cannot name the pattern)", |number| {
            cedar_lists.decide(number)
        }),
        Contender::new("Regorus, interpreter", |number| rego.interpret(number)),
        Contender::new("Regorus, virtual machine kept", |number| {
            rego_machine.execute(number)
        }),
        Contender::new("process spawn: /bin/true", |_| {
            spawned::run("/bin/true".as_ref(), &[])?;
            Ok(Answer::default())
        }),
        Contender {
            name: "native adapter: a supervised process a request, fast path only".to_owned(),
            together: 1,
            operation: each(workload, move |request| sandbox::attempt(&adapter, request)),
        },
    ]);
    compare(
        context,
        "One decision, about 50 rules; ratio to the floor",
        workload,
        contenders,
    )
}

/// Under the default pack: the product alone.
pub(super) fn baseline(context: &Context) -> Result<Vec<Section>> {
    let workload = Workload::baseline()?;
    let contenders = sandboxed(context, &workload)?;
    let title = "One decision, the default pack of about 600 patterns; ratio to the floor";
    compare(context, title, &workload, contenders)
}

/// The floor and the product: each evaluator, and both in a host.
fn sandboxed<'a>(context: &'a Context, workload: &'a Workload) -> Result<Vec<Contender<'a>>> {
    let Context { sandbox, host, .. } = context;
    let empty = Empty::new(sandbox.engine())?;
    let reference = sandbox.backend(Evaluator::Reference, &workload.policy)?;
    let fast_path = sandbox.backend(Evaluator::FastPath, &workload.policy)?;
    let contender = |name: &str, operation| Contender {
        name: name.to_owned(),
        together: 1,
        operation,
    };
    Ok(vec![
        Contender::new(FLOOR, move |_| {
            empty.twice()?;
            Ok(Answer::default())
        }),
        contender(
            "reference alone, fresh instance",
            each(workload, move |request| sandbox::attempt(&*reference, request)),
        ),
        contender(
            "fast path alone, fresh instance",
            each(workload, move |request| sandbox::attempt(&*fast_path, request)),
        ),
        contender(
            "**both, fresh instances: the host in enforce mode**",
            each(workload, move |request| sandbox::decide(host, request)),
        ),
    ])
}
