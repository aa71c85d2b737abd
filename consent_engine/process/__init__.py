"""What every process of ours needs: how it ends, how it logs, how its memory is collected."""
