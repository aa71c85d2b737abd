"""What every process of the engine needs: how it ends, how it logs, how its memory is collected."""
