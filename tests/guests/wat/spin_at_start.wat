;; Never returns from its start function. The host must refuse the module when the
;; fuel for loading is used up: instantiation runs code too.
(core module $guest-module
  (func $spin
    (loop $again (br $again)))
  (start $spin)
  (func (export "evaluate") (param i32) (result i32)
    unreachable))
(core instance $guest (instantiate $guest-module))
