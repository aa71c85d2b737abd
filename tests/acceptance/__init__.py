"""Real processes, real HTTP; nothing of ours is imported but the gateway and the BSS that the simulator plays."""
