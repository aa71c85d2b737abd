"""The pure core, searched completely: every state that one line can reach, and every move out of each."""
