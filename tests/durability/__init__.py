"""What the store may lose and what it may not: real servers, cut files, full disks, failovers."""
