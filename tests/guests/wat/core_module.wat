;; A core module and not a component: the honest evaluator's function without the
;; interface around it. The host must refuse the module and say what it is.
(module
  (memory (export "memory") 1)
  (func (export "cavra:enforcement/evaluator@1.0.0#evaluate") (param i32) (result i32)
    (i32.const 0)))
