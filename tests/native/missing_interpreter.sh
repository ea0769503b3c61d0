#!/nowhere/interpreter
# Cannot be started. Fallback: native_failed.
