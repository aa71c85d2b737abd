"""Real processes, real HTTP; nothing of ours is imported but the outside that the simulator plays."""
