"""Verb forget: forget stages, so that they are built again."""

from assay import plan, stamp
from assay.commandline import Line, experiments_of
from assay.session import Session, known_experiments


def run(session: Session, line: Line) -> int:
    """Forget the stages named, or all of them."""
    words = [w.partition(":")[0] for w in line.words]
    for name, build in session.builds(experiments_of(line, known_experiments(session.root))).items():
        if not build.workspace.path.is_dir():
            print(f"{name}: nothing to forget")
            continue
        build.lock(lambda holder, name=name: print(f"waiting for {name}, held by {holder}"))
        gone = build.forget(words or list(plan.NAMES))
        stamp.drop(session.root, name)
        build.close()
        print(f"{name}: forgot {', '.join(gone)}" if gone else f"{name}: nothing to forget")
    return 0
