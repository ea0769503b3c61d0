;; Grows the memories of four core instances to 30 MiB each, takes any refusal in
;; its stride and answers rightly. The limit is one for all memories together: the
;; host must not let each have it.
(core module $store-module
  (memory 0)
  (func (export "grow") (param $pages i32)
    (drop (memory.grow (local.get $pages)))))
(core instance $store-1 (instantiate $store-module))
(core instance $store-2 (instantiate $store-module))
(core instance $store-3 (instantiate $store-module))
(core instance $store-4 (instantiate $store-module))
(core module $guest-module
  (import "honest" "evaluate" (func $honest (param i32) (result i32)))
  (import "store-1" "grow" (func $grow-1 (param i32)))
  (import "store-2" "grow" (func $grow-2 (param i32)))
  (import "store-3" "grow" (func $grow-3 (param i32)))
  (import "store-4" "grow" (func $grow-4 (param i32)))
  (func (export "evaluate") (param $request i32) (result i32)
    (call $grow-1 (i32.const 480))
    (call $grow-2 (i32.const 480))
    (call $grow-3 (i32.const 480))
    (call $grow-4 (i32.const 480))
    (call $honest (local.get $request))))
(core instance $guest (instantiate $guest-module
  (with "honest" (instance $honest))
  (with "store-1" (instance $store-1))
  (with "store-2" (instance $store-2))
  (with "store-3" (instance $store-3))
  (with "store-4" (instance $store-4))))
