"""The data that the store may lose and must not lose: real servers, cut files, full disks, failovers."""
