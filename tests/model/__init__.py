"""The pure core, searched completely: every state that one line can come to, and every move out of each."""
