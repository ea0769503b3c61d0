;; Grows a table until it is refused, takes that in its stride and answers rightly.
;; A table is the host's memory: the host must bound it, and must not use an
;; answer that was given with the bound reached.
(core module $guest-module
  (import "honest" "evaluate" (func $honest (param i32) (result i32)))
  (table $table 0 funcref)
  (func (export "evaluate") (param $request i32) (result i32)
    (loop $again
      (br_if $again
        (i32.ne (table.grow $table (ref.null func) (i32.const 0x1000)) (i32.const -1))))
    (call $honest (local.get $request))))
(core instance $guest (instantiate $guest-module (with "honest" (instance $honest))))
