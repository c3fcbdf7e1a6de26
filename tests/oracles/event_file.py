"""Reads a folder with TensorBoard's own reader and writes its scalars.

    event_file.py FOLDER OUTPUT.json     {tag: [[step, time, value], …]}
"""
import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})  # 0: all of them
events.Reload()
scalars = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
rows = {tag: [[e.step, e.wall_time, e.value] for e in list_] for tag, list_ in scalars.items()}
pathlib.Path(sys.argv[2]).write_text(json.dumps(rows))
