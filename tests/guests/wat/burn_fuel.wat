;; Goes round a loop as often as the target says, a number in decimal digits, and
;; answers rightly. The last check of the fuel is one instruction before the end:
;; with the fuel that an evaluation used as the limit the next one must succeed,
;; with one less it must not.
(core module $guest-module
  (import "honest" "memory" (memory 1))
  (import "honest" "evaluate" (func $honest (param i32) (result i32)))
  (func (export "evaluate") (param $request i32) (result i32)
    (local $digit i32)
    (local $end i32)
    (local $rounds i64)
    (local $answer i32)
    (local.set $digit (i32.load offset=12 (local.get $request)))
    (local.set $end (i32.add (local.get $digit) (i32.load offset=16 (local.get $request))))
    (block $read
      (loop $next
        (br_if $read (i32.ge_u (local.get $digit) (local.get $end)))
        (local.set $rounds
          (i64.add
            (i64.mul (local.get $rounds) (i64.const 10))
            (i64.sub (i64.load8_u (local.get $digit)) (i64.const 48))))
        (local.set $digit (i32.add (local.get $digit) (i32.const 1)))
        (br $next)))
    (block $burnt
      (loop $again
        (br_if $burnt (i64.eqz (local.get $rounds)))
        (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
        (br $again)))
    (local.set $answer (call $honest (local.get $request)))
    ;; Fuel is checked where a loop begins.
    (loop)
    (local.get $answer)))
(core instance $guest (instantiate $guest-module (with "honest" (instance $honest))))
