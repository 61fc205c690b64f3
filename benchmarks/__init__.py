"""Speed and memory, side by side: `python -m benchmarks`.

A subcommand in `commands/` makes jobs and lets them take turns (`rounds`). Each job runs a worker
in a fresh process (`processes`): `worker` trains or evaluates one of the `contenders/`, the
others read CSV files, train several seeds or measure the machine. Raw numbers go into a JSON file
(`results_file`); `summaries` and `report/` make medians, paired ratios, tables and pictures of
them.

The contenders' packages are listed in `requirements.txt` of this folder. Unix only.
"""
