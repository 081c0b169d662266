"""One notebook run by papermill in a process of its own (``python -m locolib.study.execute``, what to run on standard input).

Papermill changes the folder of its whole process, so notebooks that run side by side cannot share one.
"""

import json
import sys

FAILED = 3  # the exit code that says: standard output holds the error of a cell


def main() -> None:
    """Read {source, out, values} as JSON, execute, and print a cell's error, if there is one, as JSON."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    asked = json.load(sys.stdin)
    try:
        papermill.execute_notebook(
            asked["source"],
            asked["out"],
            asked["values"],
            kernel_name="python3",
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        print(json.dumps({"cell": error.cell_index, "name": error.ename, "value": error.evalue}))
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
