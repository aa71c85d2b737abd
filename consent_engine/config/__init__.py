"""Settings, and the forms in which people write them: addresses, durations, the data folder."""
