;; Answers with a reason that lies beyond the end of the memory. The host must
;; refuse the answer and read nothing of its own.
(core module $guest-module
  (import "honest" "memory" (memory 1))
  (import "honest" "evaluate" (func $honest (param i32) (result i32)))
  (func (export "evaluate") (param $request i32) (result i32)
    (local $answer i32)
    (local.set $answer (call $honest (local.get $request)))
    (i32.store offset=20 (local.get $answer) (i32.const 0xfffffff0))
    (local.get $answer)))
(core instance $guest (instantiate $guest-module (with "honest" (instance $honest))))
