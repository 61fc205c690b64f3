"""One page of everything: a run or a comparison as one HTML file that needs nothing else."""
