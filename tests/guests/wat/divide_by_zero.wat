;; Divides by zero. The host must report the trap and go on.
(core module $guest-module
  (func (export "evaluate") (param $request i32) (result i32)
    (i32.div_u (local.get $request) (i32.const 0))))
(core instance $guest (instantiate $guest-module))
