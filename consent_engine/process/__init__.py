"""The parts that every process of the engine needs: shutdown, logging, garbage collection."""
