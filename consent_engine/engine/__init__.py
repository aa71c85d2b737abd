"""The engine: `place`, `receive`, `record` and `perform`, over ports. It imports neither redis nor rq nor HTTP."""
