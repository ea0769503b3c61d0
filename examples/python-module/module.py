"""A policy module in Python: what the world `policy-module` exports.

Only the interface is here. What is decided, and why, is in `judge.py`, which knows
nothing of WebAssembly and is tested by any Python.
"""

from typing import Optional

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types

import judge

# An instance begins as the build has left it: what is set here is part of the module,
# what `load` sets lives as long as one evaluation.
_loaded: Optional[judge.Policy] = None


class Evaluator(exports.Evaluator):
    def describe(self) -> types.Description:
        return types.Description(
            name="example-python",
            version="0.1.0",
            semantics_version="1",
        )

    def load(self, policy: str, registry: Optional[str]) -> None:
        global _loaded
        try:
            read = judge.Policy.read(policy)
        except judge.Invalid as problem:
            raise Err(types.LoadError_InvalidPolicy(str(problem)))
        if registry is not None:
            # Refusing is better than deciding as if there were none.
            raise Err(types.LoadError_InvalidRegistry("this module does not read trust registries"))
        _loaded = read

    def evaluate(self, request: types.Request) -> types.Decision:
        if _loaded is None:
            raise Err(types.EvaluateError_NotLoaded())
        if request.policy_pack != _loaded.pack:
            raise Err(types.EvaluateError_WrongPack(_loaded.pack))
        return _decision(request, judge.judge(_loaded, request))


def _decision(request: types.Request, judged: judge.Judged) -> types.Decision:
    verdict, severity, approvers = judge.RULES[judged.rule]
    return types.Decision(
        verdict=types.Verdict[verdict],
        rule_id=judged.rule,
        severity=types.Severity[severity],
        reason=judged.reason,
        action_type=request.action_type,
        target=judged.target,
        requested_operation=judged.operation,
        policy_pack=request.policy_pack,
        approver_group=approvers,
        matched_pattern=judged.pattern,
    )
