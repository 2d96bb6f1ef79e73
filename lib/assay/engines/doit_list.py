"""doit's own word list, answered by assay where pyproject.toml is read; elsewhere dodo.py sees to it."""

from typing import Any

from doit.cmd_base import Command


class List(Command):  # type: ignore[misc]
    """doit list, with --json."""

    doc_purpose = "the stage graph of every experiment: fresh, stale and why, never built"
    doc_usage = "[exp=NAME]"
    doc_description = None
    cmd_options = ({"name": "json", "long": "json", "type": bool, "default": False, "help": "for machines"},)

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Answer through assay's own door, with the command line as it was typed."""
        import sys
        from pathlib import Path

        from assay import cli

        start = [] if not opt_values.get("dir") else ["-d", opt_values["dir"]]
        argv = sys.argv[1:]
        return (
            cli.run([*start, *argv[argv.index("list") :]])
            if "list" in argv
            else cli.run(["-d", str(Path.cwd()), "list"])
        )
