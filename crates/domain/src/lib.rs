//! The nouns of Relynt: ids, tool calls, verdicts, the approval state machine
