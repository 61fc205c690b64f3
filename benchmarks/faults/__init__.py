"""Other libraries in the drills of fmnistlab: resume, kills, corruption, broken plug-ins.

    python -m benchmarks.faults --out drills.json

`requirements.txt` in this folder tells what to install. Each peer is a small class in a file of its
own, in `scripts` (they train and resume), `savers` (they are killed while they save) and `formats`
(their files are damaged). Processes are forked, so this runs on Linux and macOS.
"""
