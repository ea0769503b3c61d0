"""What the module decides: files, MCP lists and pull requests, by the decision semantics.

Commands and git operations are not implemented. They ask for approval, which is the
reference's decision about some of them and not about others; in shadow mode every
difference is told, and none of them reaches an agent.
"""

import json
import re
from dataclasses import dataclass
from typing import Optional, Protocol

# Verdict, severity and approvers of every rule that this module decides by.
RULES = {
    "filesystem.read.block": ("BLOCK", "HIGH", None),
    "filesystem.read.empty_target": ("REQUIRE_APPROVAL", "MEDIUM", "Repository Owners"),
    "filesystem.read.allow": ("ALLOW", "LOW", None),
    "filesystem.write.block": ("BLOCK", "HIGH", None),
    "filesystem.write.require_approval": ("REQUIRE_APPROVAL", "HIGH", "Platform Security"),
    "filesystem.write.sensitive_path": ("REQUIRE_APPROVAL", "HIGH", "Platform Security"),
    "filesystem.write.empty_target": ("REQUIRE_APPROVAL", "MEDIUM", "Repository Owners"),
    "filesystem.write.allow": ("ALLOW", "LOW", None),
    "commands.default.require_approval": ("REQUIRE_APPROVAL", "MEDIUM", "Repository Owners"),
    "git.push.unresolved_target": ("REQUIRE_APPROVAL", "MEDIUM", "Repository Owners"),
    "mcp.server.trust.block_unknown": ("BLOCK", "HIGH", None),
    "mcp.server.trust.allow": ("ALLOW", "LOW", None),
    "git.pull_request.allow_with_attestation": ("ALLOW_WITH_ATTESTATION", "MEDIUM", None),
    "runtime.default.require_approval": ("REQUIRE_APPROVAL", "MEDIUM", "Repository Owners"),
}

# What trimming removes: white space as Unicode has it, and U+001C to U+001F.
SPACE = (
    "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


class Invalid(Exception):
    """Why a policy is not accepted."""


class Request(Protocol):
    """The fields of a request that count here."""

    action_type: str
    target: Optional[str]
    operation: Optional[str]
    requested_operation: Optional[str]
    server: Optional[str]
    tool: Optional[str]
    capability: Optional[str]
    workspace: Optional[str]


@dataclass
class Judged:
    """A rule that decides, and what it decides about."""

    rule: str
    target: str
    operation: str
    reason: str
    pattern: Optional[str] = None


@dataclass
class Pattern:
    """A pattern of a list of restrictions (decision semantics, *Patterns*)."""

    text: str

    def __post_init__(self) -> None:
        # Compiled when it is first needed: `load` runs before every evaluation, and of
        # most patterns none ever is.
        self._forms: dict[str, list[str]] = {}

    def matches_path(self, forms: list[str]) -> bool:
        for form in forms:
            if self._matches(self.text, form):
                return True
            if "/" not in self.text and self._matches(self.text, form.rsplit("/", 1)[-1]):
                return True
            if is_anchored(form) and self._matches("**/" + self.text, form):
                return True
        return False

    def _matches(self, pattern: str, text: str) -> bool:
        variants = self._forms.get(pattern)
        if variants is None:
            variants = self._forms[pattern] = [lower(it) for it in spellings(pattern)]
        text = lower(text)
        return any(glob(variant, text) for variant in variants)


def lower(text: str) -> str:
    """ASCII letters in lower case, everything else as it is."""
    return text.lower() if text.isascii() else re.sub("[A-Z]", lambda it: it.group().lower(), text)


def spellings(pattern: str) -> list[str]:
    """The pattern, and without `**/` in front and `/**` behind."""
    found = [pattern]
    while pattern.startswith("**/"):
        pattern = pattern[3:]
        found.append(pattern)
    found += [it[:-3] for it in found if it.endswith("/**")]
    return found


def glob(pattern: str, text: str) -> bool:
    """Whether the pattern matches the whole text. Only `*` has a meaning."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    last = rest.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in rest:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def is_anchored(form: str) -> bool:
    return form.startswith(("/", "~", "..")) or has_drive(form)


def has_drive(path: str) -> bool:
    return len(path) >= 3 and path[0].isascii() and path[0].isalpha() and path[1:3] == ":/"


def tidy(path: str) -> str:
    """Form 2: without empty and `.` segments and a `/` at the end."""
    kept = "/".join(it for it in path.split("/") if it not in ("", "."))
    if path.startswith("/"):
        return "/" + kept
    return kept or "."


def resolve(path: str) -> str:
    """Form 3: form 2 with each `..` resolved."""
    path = tidy(path)
    root = "/" if path.startswith("/") else path[:3] if has_drive(path) else ""
    kept: list[str] = []
    for segment in path[len(root) :].split("/"):
        if segment != "..":
            kept.append(segment)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif not root:
            kept.append(segment)
    joined = root + "/".join(it for it in kept if it)
    return joined or "."


def forms(target: str, workspace: Optional[str]) -> list[str]:
    """Every form in which a target is tried (*Forms of a path*)."""
    found = []
    for target, workspace in [
        (target, workspace),
        (target.replace("\\", "/"), workspace and workspace.replace("\\", "/")),
    ]:
        resolved = resolve(target)
        found += [target, tidy(target), resolved]
        if workspace:
            inside = resolve(workspace)
            if resolved == inside:
                found.append(".")
            elif resolved.startswith(inside.rstrip("/") + "/"):
                found.append(resolved[len(inside.rstrip("/")) + 1 :])
    return list(dict.fromkeys(found))


@dataclass
class Policy:
    """What counts of a compiled policy."""

    pack: str
    block_read: list[Pattern]
    block_write: list[Pattern]
    require_approval_write: list[Pattern]
    allowed_servers: list[str]
    blocked_servers: list[str]
    block_unknown_servers: bool

    @staticmethod
    def read(text: str) -> "Policy":
        try:
            document = json.loads(text)
        except ValueError as problem:
            raise Invalid(f"it is not JSON: {problem}")
        if not isinstance(document, dict):
            raise Invalid("it is not an object")
        if document.get("schema_version", "cavra.compiled-policy.v1") != "cavra.compiled-policy.v1":
            raise Invalid("`schema_version` is not `cavra.compiled-policy.v1`")

        def section(name: str) -> dict:
            value = document.get(name, {})
            if not isinstance(value, dict):
                raise Invalid(f"`{name}` is not an object")
            return value

        def texts(path: str) -> list[str]:
            name, key = path.split(".")
            value = section(name).get(key, [])
            if not isinstance(value, list):
                raise Invalid(f"`{path}` is not a list")
            for at, item in enumerate(value):
                if not isinstance(item, str):
                    raise Invalid(f"`{path}[{at}]` is not a string")
            return value

        def patterns(path: str) -> list[Pattern]:
            trimmed = [it.strip(SPACE) for it in texts(path)]
            for at, pattern in enumerate(trimmed):
                if not pattern:
                    raise Invalid(f"`{path}[{at}]` is empty")
            return [Pattern(it) for it in trimmed]

        pack = section("metadata").get("id")
        if not isinstance(pack, str):
            raise Invalid("`metadata.id` is not a string")
        unknown = section("mcp").get("block_unknown_servers", True)
        if not isinstance(unknown, bool):
            raise Invalid("`mcp.block_unknown_servers` is neither true nor false")
        return Policy(
            pack=pack,
            block_read=patterns("filesystem.block_read"),
            block_write=patterns("filesystem.block_write"),
            require_approval_write=patterns("filesystem.require_approval_write"),
            allowed_servers=texts("mcp.allowed_servers"),
            blocked_servers=texts("mcp.blocked_servers"),
            block_unknown_servers=unknown,
        )


def judge(policy: Policy, request: Request) -> Judged:
    section = {
        "read_file": read_file,
        "write_file": write_file,
        "execute_command": command,
        "git_operation": git,
        "mcp_tool_call": mcp,
        "pull_request": pull_request,
    }
    return section.get(request.action_type, other)(policy, request)


def first(patterns: list[Pattern], forms: list[str]) -> Optional[str]:
    return next((it.text for it in patterns if it.matches_path(forms)), None)


def read_file(policy: Policy, request: Request) -> Judged:
    target = request.target or ""
    pattern = first(policy.block_read, forms(target, request.workspace))
    if pattern is not None:
        return Judged("filesystem.read.block", target, "read", f"`{pattern}` may not be read", pattern)
    if not target:
        return Judged("filesystem.read.empty_target", target, "read", "no file is named")
    return Judged("filesystem.read.allow", target, "read", "no pattern forbids it")


def write_file(policy: Policy, request: Request) -> Judged:
    target = request.target or ""
    tried = forms(target, request.workspace)
    for rule, patterns in [
        ("filesystem.write.block", policy.block_write),
        ("filesystem.write.require_approval", policy.require_approval_write),
        ("filesystem.write.sensitive_path", policy.block_read),
    ]:
        pattern = first(patterns, tried)
        if pattern is not None:
            return Judged(rule, target, "write", f"`{pattern}` restricts it", pattern)
    if not target:
        return Judged("filesystem.write.empty_target", target, "write", "no file is named")
    return Judged("filesystem.write.allow", target, "write", "no pattern restricts it")


def command(policy: Policy, request: Request) -> Judged:
    line = (request.target or "").strip(SPACE)
    return Judged("commands.default.require_approval", line, line, "this module does not judge commands")


def git(policy: Policy, request: Request) -> Judged:
    verb = request.operation or request.requested_operation or "push"
    return Judged(
        "git.push.unresolved_target", request.target or "", verb, "this module does not judge git operations"
    )


def mcp(policy: Policy, request: Request) -> Judged:
    server = (request.target or "") if request.server is None else request.server
    tool = "unknown" if request.tool is None else request.tool
    asked = request.operation or request.requested_operation or request.capability or tool
    blocked = server in policy.blocked_servers or (
        policy.block_unknown_servers and server not in policy.allowed_servers
    )
    rule = "mcp.server.trust.block_unknown" if blocked else "mcp.server.trust.allow"
    reason = f"the server `{server}` may {'not ' if blocked else ''}be called"
    return Judged(rule, f"{server}:{tool}", asked, reason)


def pull_request(policy: Policy, request: Request) -> Judged:
    return Judged(
        "git.pull_request.allow_with_attestation",
        request.target or "",
        request.operation or "create",
        "its author attests to it",
    )


def other(policy: Policy, request: Request) -> Judged:
    asked = request.operation or request.requested_operation or ""
    return Judged("runtime.default.require_approval", request.target or "", asked, "the action is unknown")
