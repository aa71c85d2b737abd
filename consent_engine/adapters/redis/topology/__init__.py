"""Which master to ask where several servers share the work: Sentinel, Cluster."""
