"""One notebook run by papermill, in a process of its own that begins with the libraries imported.

Papermill changes the folder of its whole process, so notebooks that run side by side cannot share one.  Importing what a page
needs takes as long as many a page: on Linux a page and its kernel are forked from a process that has done it once (`warm`).
"""

import os
import sys
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from .pages import HOME

FORKS = sys.platform == "linux"  # elsewhere system libraries do not bear it


def context() -> BaseContext:
    """How the processes of pages begin."""
    if not FORKS:
        return get_context("spawn")
    served = get_context("forkserver")
    served.set_forkserver_preload(["locolib.study.warm"])
    return served


def executed(asked: dict[str, Any], env: dict[str, str]) -> dict[str, Any] | None:
    """Execute the notebook `source` to `out` with parameters `values`, in a process of its own and with `env` for its kernel.

    Returns:
        Nothing, or what went wrong: `cell`, `name` and `value` of the error of a cell, or a `reason`.
    """
    began = context()
    answers, answer = began.Pipe(duplex=False)
    process: BaseProcess = began.Process(target=_page, args=(asked, env, answer))  # type: ignore[attr-defined]
    process.start()
    answer.close()
    try:
        told: dict[str, Any] | None = answers.recv()
    except EOFError:
        process.join()
        told = {"reason": f"its process ended with {process.exitcode}"}
    process.join()
    return told


def _page(asked: dict[str, Any], env: dict[str, str], answer: Any) -> None:
    """In a page's process: send back what `executed` returns."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1), os.dup2(silence, 2)
    os.chdir(HOME)
    _set_environment(env)
    waiting = _Waiting() if FORKS else None  # forked before anything else is begun here

    import papermill
    from jupyter_client.provisioning import local_provisioner
    from papermill.exceptions import PapermillExecutionError

    if waiting:
        provisioning: Any = local_provisioner
        provisioning.launch_kernel = waiting.launch
    told = None
    try:
        papermill.execute_notebook(
            asked["source"],
            asked["out"],
            asked["values"],
            kernel_name="python3",
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        told = {"cell": error.cell_index, "name": error.ename, "value": error.evalue}
    except Exception as error:
        told = {"reason": f"{type(error).__name__}: {error}"}
    answer.send(told)


def _set_environment(env: dict[str, str]) -> None:
    """Have these variables alone, whatever there was when the process was begun from which this one was forked."""
    os.environ.clear()
    os.environ.update(env)


class _Waiting:
    """A forked process that waits to become a kernel; afterwards what jupyter_client needs of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self) -> None:
        forks = get_context("fork")
        self._orders, orders = forks.Pipe()
        self._process = forks.Process(target=_kernel, args=(orders,), daemon=True)
        self._process.start()
        self.pid = self._process.pid
        self.kill, self.terminate = self._process.kill, self._process.terminate

    def launch(self, cmd: list[str], **options: Any) -> "_Waiting":
        """Become the kernel that `cmd` would start."""
        self._orders.send((cmd, options.get("env") or {}, options.get("cwd"), os.getpid()))
        self._orders.recv()  # its group of processes is its own by now: signals to it do not reach this one
        return self

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, signum: int) -> None:
        if self.pid:
            os.kill(self.pid, signum)


def _kernel(orders: Any) -> None:
    """In the waiting process: be a kernel as soon as it is asked for."""
    cmd, env, folder, parent = orders.recv()
    os.setsid()
    _set_environment(env | {"JPY_PARENT_PID": str(parent)})  # with its parent the kernel ends
    if folder:
        os.chdir(folder)
    orders.send(None)

    import torch
    from ipykernel.kernelapp import IPKernelApp

    if threads := os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(threads))  # it read the variable long ago
    IPKernelApp.launch_instance([*cmd[cmd.index("-f") :], "--matplotlib=inline"])
