//! Network policy: model, reference evaluator with traces, and a compiler to kernel rules
