"""The adapters: each file speaks one protocol of the outside, or one of the stores."""
