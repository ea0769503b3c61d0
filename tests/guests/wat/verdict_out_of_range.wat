;; Answers rightly, but with verdict 9 of four. The host must refuse the answer,
;; and never read another verdict out of it.
(core module $guest-module
  (import "honest" "memory" (memory 1))
  (import "honest" "evaluate" (func $honest (param i32) (result i32)))
  (func (export "evaluate") (param $request i32) (result i32)
    (local $answer i32)
    (local.set $answer (call $honest (local.get $request)))
    (i32.store8 offset=4 (local.get $answer) (i32.const 9))
    (local.get $answer)))
(core instance $guest (instantiate $guest-module (with "honest" (instance $honest))))
