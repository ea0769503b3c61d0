;; Answers with the address of an answer that lies beyond the end of the memory.
;; The host must refuse it and read nothing of its own.
(core module $guest-module
  (func (export "evaluate") (param i32) (result i32)
    (i32.const 0xfffffff0)))
(core instance $guest (instantiate $guest-module))
