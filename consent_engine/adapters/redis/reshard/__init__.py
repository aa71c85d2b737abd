"""Moving everything to another number of cells."""
