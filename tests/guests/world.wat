;; A policy module by hand, around a guest that does what no typed language lets
;; it do. A file of `wat/` takes the place of the one block comment below: it
;; defines the core instance `$guest`, which exports `evaluate` and may import all
;; of the honest module as `honest`.
(component
  (type $enforcement-types (instance
    (type $verdict' (enum "allow" "allow-with-attestation" "require-approval" "block"))
    (export "verdict" (type $verdict (eq $verdict')))
    (type $severity' (enum "low" "medium" "high" "critical"))
    (export "severity" (type $severity (eq $severity')))
    (type $text (option string))
    (type $request' (record
      (field "action-type" string)
      (field "target" $text)
      (field "operation" $text)
      (field "requested-operation" $text)
      (field "policy-pack" string)
      (field "server" $text)
      (field "tool" $text)
      (field "capability" $text)
      (field "workspace" $text)
      (field "session-id" $text)
      (field "agent-id" $text)
      (field "actor" $text)))
    (export "request" (type $request (eq $request')))
    (type $decision' (record
      (field "verdict" $verdict)
      (field "rule-id" string)
      (field "severity" $severity)
      (field "reason" string)
      (field "action-type" string)
      (field "target" string)
      (field "requested-operation" string)
      (field "policy-pack" string)
      (field "approver-group" $text)
      (field "matched-pattern" $text)))
    (export "decision" (type $decision (eq $decision')))
    (type $load-error' (variant
      (case "invalid-policy" string)
      (case "invalid-registry" string)))
    (export "load-error" (type $load-error (eq $load-error')))
    (type $evaluate-error' (variant
      (case "not-loaded")
      (case "wrong-pack" string)))
    (export "evaluate-error" (type $evaluate-error (eq $evaluate-error')))
    (type $description' (record
      (field "name" string)
      (field "version" string)
      (field "semantics-version" string)))
    (export "description" (type $description (eq $description')))))
  (import "cavra:enforcement/types@1.0.0" (instance $types (type $enforcement-types)))
  (alias export $types "request" (type $request))
  (alias export $types "decision" (type $decision))
  (alias export $types "description" (type $description))
  (alias export $types "load-error" (type $load-error))
  (alias export $types "evaluate-error" (type $evaluate-error))

  (core module $honest-module
    (memory (export "memory") 1)
    ;; 16: description; 64: answer of `load`, a zero; 128: answer of `evaluate`.
    (data (i32.const 512) "wat-guest" "0.1.0" "1"
      "runtime.default.require_approval" "the action type is unknown" "Repository Owners")
    (data (i32.const 16)
      "\00\02\00\00\09\00\00\00" ;; name, at 512
      "\09\02\00\00\05\00\00\00" ;; version, at 521
      "\0e\02\00\00\01\00\00\00") ;; semantics version, at 526
    (global $heap (mut i32) (i32.const 1024))

    ;; Never frees and never moves. The same number of instructions each time, so
    ;; that the fuel of an evaluation does not depend on what was loaded.
    (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
      (result i32)
      (local $block i32)
      (local $pages i32)
      (local.set $block
        (i32.and
          (i32.sub (i32.add (global.get $heap) (local.get $align)) (i32.const 1))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $heap (i32.add (local.get $block) (local.get $size)))
      (local.set $pages
        (i32.sub
          (i32.shr_u (i32.add (global.get $heap) (i32.const 0xffff)) (i32.const 16))
          (memory.size)))
      (if (i32.eq
            (memory.grow
              (select (local.get $pages) (i32.const 0) (i32.gt_s (local.get $pages) (i32.const 0))))
            (i32.const -1))
        (then unreachable))
      (local.get $block))

    (func (export "describe") (result i32)
      (i32.const 16))

    (func (export "load") (param i32 i32 i32 i32 i32) (result i32)
      (i32.const 64))

    ;; Address and length of an optional text; of none, those of an empty one.
    (func $text (param $option i32) (result i64)
      (if (result i64) (i32.load8_u (local.get $option))
        (then (i64.load offset=4 align=4 (local.get $option)))
        (else (i64.const 0))))

    ;; The right decision for an unknown action. In the request: action type at 0,
    ;; target at 8, operation at 20, requested operation at 32, pack at 44. In the
    ;; answer, after the result's discriminant: verdict at 4, rule at 8, severity
    ;; at 16, reason at 20, action type at 28, target at 36, requested operation
    ;; at 44, pack at 52, approver group at 60, matched pattern at 72.
    (func (export "evaluate") (param $request i32) (result i32)
      (local $operation i64)
      (i32.store8 offset=4 (i32.const 128) (i32.const 2))
      (i32.store offset=8 (i32.const 128) (i32.const 527))
      (i32.store offset=12 (i32.const 128) (i32.const 32))
      (i32.store8 offset=16 (i32.const 128) (i32.const 1))
      (i32.store offset=20 (i32.const 128) (i32.const 559))
      (i32.store offset=24 (i32.const 128) (i32.const 26))
      (i64.store offset=28 align=4 (i32.const 128) (i64.load align=4 (local.get $request)))
      (i64.store offset=36 align=4 (i32.const 128) (call $text (i32.add (local.get $request) (i32.const 8))))
      (local.set $operation (call $text (i32.add (local.get $request) (i32.const 20))))
      (if (i64.eqz (i64.shr_u (local.get $operation) (i64.const 32)))
        (then (local.set $operation (call $text (i32.add (local.get $request) (i32.const 32))))))
      (i64.store offset=44 align=4 (i32.const 128) (local.get $operation))
      (i64.store offset=52 align=4 (i32.const 128) (i64.load offset=44 align=4 (local.get $request)))
      (i32.store8 offset=60 (i32.const 128) (i32.const 1))
      (i32.store offset=64 (i32.const 128) (i32.const 585))
      (i32.store offset=68 (i32.const 128) (i32.const 17))
      (i32.const 128)))
  (core instance $honest (instantiate $honest-module))

  (; guest ;)

  (alias core export $honest "memory" (core memory $memory))
  (alias core export $honest "cabi_realloc" (core func $realloc))
  (func $describe (result $description)
    (canon lift (core func $honest "describe") (memory $memory) (realloc $realloc)))
  (func $load (param "policy" string) (param "registry" (option string)) (result (result (error $load-error)))
    (canon lift (core func $honest "load") (memory $memory) (realloc $realloc)))
  (func $evaluate (param "request" $request) (result (result $decision (error $evaluate-error)))
    (canon lift (core func $guest "evaluate") (memory $memory) (realloc $realloc)))
  (instance $evaluator
    (export "describe" (func $describe))
    (export "load" (func $load))
    (export "evaluate" (func $evaluate)))
  (export "cavra:enforcement/evaluator@1.0.0" (instance $evaluator)))
