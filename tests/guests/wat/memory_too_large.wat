;; Declares a memory of 1 GiB, more than it may have, and never uses it. The host
;; must refuse the module.
(core module $guest-module
  (import "honest" "evaluate" (func $honest (param i32) (result i32)))
  (memory 0x4000)
  (export "evaluate" (func $honest)))
(core instance $guest (instantiate $guest-module (with "honest" (instance $honest))))
